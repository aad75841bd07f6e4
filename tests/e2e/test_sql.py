"""Statements that are wrong, and the shell, through the real command line; what each statement of the documents does is
shown by the tests of the rules: docs/reference/seeds.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys

from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce
from tests.support import eventually

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
ALTERD = (sys.executable, "-m", "alterd_cli")


async def test_bad_statements_have_a_code_a_place_and_no_traceback(commerce: Commerce) -> None:
    for text, code, words in (
        ("set @@ddl_strategy='nobody'", 3, ("[unknown_strategy]", "1: set @@ddl_strategy")),
        ("set @@ddl_strategy='vitess --unheard-of'", 2, ("[invalid_strategy]", "unheard-of")),
        (
            f"use {commerce.name}; alter vitess_migration '{UUID}' cancel",
            3,
            ("[unknown_migration]", "2: alter vitess_migr"),
        ),
        (f"alter vitess_migration '{UUID}' launch vitess_shards '-99'", 3, ("[not_found]", "no shard -99")),
        (f"revert vitess_migration '{UUID}'", 2, ("[unsupported_statement]", "cannot be done yet")),
        ("use nowhere", 3, ("[unknown_keyspace]", "1: use nowhere")),
        (
            f"use {commerce.name}; alter table demo add column status int",
            4,
            ("[statement_refused]", "Duplicate", "2: alter table"),
        ),
        ("rename table a to b", 2, ("[unsupported_statement]", "1: rename table")),
        ("show vitess_migrations where nonsense = 1", 2, ("[invalid_input]", "no column nonsense")),
        (f"show vitess_migration '{UUID}' logs", 3, ("[unknown_migration]",)),
    ):
        err = await commerce.sql(text, code=code)
        assert all(word in err for word in words), err
    told = await commerce.alterd("vexec", f"{commerce.name}.{UUID}", "select * from _vt.schema_migrations", code=3)
    assert "[unknown_migration]" in told
    told = await commerce.alterd("sql", "-k", commerce.name, "use nowhere", "-o", "json", code=3)
    document, _ = json.JSONDecoder().raw_decode(told)
    assert document["errors"][0]["where"]["statement"] == "1: use nowhere"


async def test_the_shell_takes_a_script_and_a_person(commerce: Commerce) -> None:
    script = (
        f"use {commerce.name};\nset @@ddl_strategy='vitess --postpone-launch';\nalter table demo\nadd column k int;\n"
    )
    out, err = await scripted(script)
    assert out.splitlines()[1] == f"| {'uuid':<36} |"
    assert "Database changed" in err
    uuid = out.splitlines()[3].strip("| ")
    _, err = await scripted("use nowhere; alter vitess_migration cancel all", "-k", commerce.name, code=3)
    assert "[unknown_keyspace]" in err
    await commerce.until(uuid, Status.QUEUED)

    terminal = Terminal([*ALTERD, "shell", "-k", commerce.name], dict(os.environ))
    try:
        await terminal.until(f"{commerce.name}>")
        terminal.type("select migration_uuid,\r")
        await terminal.until("->")
        terminal.type(f"shard from _vt.schema_migrations where shard = '{commerce.shards[0]}'\\G\r")
        await terminal.until(f"migration_uuid: {uuid}")
        terminal.type("nonsense;\r")
        await terminal.until("[unsupported_statement]")
        terminal.type("exit\r")
        assert await asyncio.to_thread(terminal.process.wait, 20) == 0
    finally:
        terminal.close()


async def scripted(text: str, *arguments: str, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a shell that reads a script. It must end with `code`, and with no traceback."""
    done = await asyncio.to_thread(
        subprocess.run,
        [*ALTERD, "shell", *arguments],
        capture_output=True,
        text=True,
        input=text,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout, done.stderr


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv: list[str], environ: dict[str, str]) -> None:
        self._mine, theirs = pty.openpty()
        environ = {**environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        os.set_blocking(self._mine, False)
        self._seen = ""

    def type(self, text: str) -> None:
        self._seen = ""
        os.write(self._mine, text.encode())

    async def until(self, text: str) -> None:
        await eventually(lambda: self._shows(text), timeout=30)

    def _shows(self, text: str) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            self._seen += os.read(self._mine, 65536).decode(errors="replace")
        return text in self._seen

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._mine)
