"""The sandbox: up, again, after a kill, down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from alterd_contracts.errors import InvalidSetting
from alterd_runtime.provision.sandbox import Sandbox, names_of
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


def test_shards_are_keyranges_of_one_length() -> None:
    assert names_of(1) == ("0",)
    assert names_of(2) == ("-80", "80-")
    assert names_of(4) == ("-40", "40-80", "80-c0", "c0-")
    assert names_of(8)[::7] == ("-20", "e0-")


def test_a_sandbox_of_two_shards_has_two_primaries(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "sandbox", replicas=0, shards=2, die_with_parent=True)
    try:
        found = sandbox.up()
        assert [(each.shard, each.name) for each in found.servers] == [
            ("-80", "shard-1-primary"),
            ("80-", "shard-2-primary"),
        ]
        keyspace = load_keyspace(sandbox.keyspace_file.read_text())
        assert {shard.name: [str(server) for server in shard.servers] for shard in keyspace.shards} == {
            each.shard: [each.address] for each in found.servers
        }
        assert Sandbox(tmp_path / "sandbox", replicas=0, die_with_parent=True).up() == found
        with pytest.raises(InvalidSetting, match="has 2 shards"):
            Sandbox(tmp_path / "sandbox", shards=4).up()
    finally:
        sandbox.down()
