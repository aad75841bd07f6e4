"""The sandbox: up, again, after a kill, down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from alterd_runtime.provision.sandbox import Sandbox
from alterd_runtime.topology import load_keyspace
from tests.support import eventually


async def test_a_sandbox_goes_up_is_found_again_and_goes_down(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "sandbox", die_with_parent=True)
    try:
        first = sandbox.up()
        assert [server.name for server in first.servers] == ["primary", "replica-1"]
        assert first.running
        keyspace = load_keyspace(sandbox.keyspace_file.read_text())
        assert [str(server) for server in keyspace.shards[0].servers] == [server.address for server in first.servers]
        assert sandbox.password_file.stat().st_mode & 0o077 == 0

        assert sandbox.up() == first

        os.kill(first.servers[1].pid, signal.SIGKILL)
        await eventually(lambda: not sandbox.status().running)
        again = sandbox.up()
        assert again.running
        assert again.servers[0] == first.servers[0]
    finally:
        assert not any(server.pid for server in sandbox.down().servers)
