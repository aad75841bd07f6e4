"""The pages of the guide do what they say, one after the other on one sandbox.

``ALTERD_TEST_UPDATE_GUIDE=1`` writes into them what was printed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_runtime.provision import folders, ladder, mysql_binary
from alterd_runtime.provision.ladder import Rung
from tests.support.console import Console, Typed, alike, read, written

GUIDE = Path(__file__).parents[2] / "docs/guide"
PAGES = ("multi-shard", "concurrent", "postponed", "in-order", "singleton", "failover")
"""The last one leaves other primaries behind."""
UPDATE = "ALTERD_TEST_UPDATE_GUIDE"
BEGIN = """\
if ! test -e ready; then
  alterd sandbox up --shards 2 > sandbox.log 2>&1
  nohup alterd up --nats-port 0 --ready-file ready > up.log 2>&1 & echo $! > up.pid
  until test -e ready; do sleep 0.1; done
  alterd keyspace apply $ALTERD_HOME/sandbox/keyspace.toml
fi
"""
"""What every page begins with, in words or unseen."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("guide")
    (folder / "begin").write_text(BEGIN)
    (folder / "end").write_text("kill $(cat up.pid)\nwhile test -e ready; do sleep 0.1; done\nalterd sandbox down\n")
    try:
        yield folder
    finally:
        if (folder / "up.pid").exists():
            console = open_console(folder)
            console.run(". ./end")
            console.close()


def open_console(folder: Path) -> Console:
    """With ``alterd`` and a client of MySQL on the PATH, and a folder of its own for their state."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
    programs = [str(Path(sys.executable).parent), *client_of_mysql(folder)]
    environ |= {
        "PATH": os.pathsep.join([*programs, environ["PATH"]]),
        "HOME": str(folder),
        "ALTERD_HOME": str(folder / "alterd"),
        folders.CACHE_VARIABLE: str(folders.cache_folder()),
    }
    return Console(environ, folder)


def client_of_mysql(folder: Path) -> list[str]:
    """A folder that holds it alone, where none is on the PATH: the one beside the unpacked server."""
    if shutil.which("mysql") or ladder.choose(ladder.look(allow_url=False), allow_url=False) is not Rung.DEBIAN:
        return []
    client = folder / "bin" / "mysql"
    if not client.exists():
        client.parent.mkdir()
        client.symlink_to(mysql_binary.from_debian(print).path.parent / "mysql")
    return [str(client.parent)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_guide_was_run(place: Path, page: str) -> None:
    file = GUIDE / f"{page}.md"
    text = file.read_text()
    said: list[list[str]] = []
    console = open_console(place)
    try:
        for step in read(text):
            if not isinstance(step, Typed):
                (console.until if step.until else console.run)(step.command)
                continue
            printed, _ = console.run(step.command)
            lines = [line.replace(str(place / "alterd"), "~/.local/state/alterd") for line in printed]
            if not os.environ.get(UPDATE):
                assert alike(lines, step.printed), (step.command, lines)
            said.append(lines)
    finally:
        console.close()
    assert said
    if os.environ.get(UPDATE):
        file.write_text(written(text, said))
