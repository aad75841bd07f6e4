"""Runs are forked from a template: each is a process of its own, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_contracts.errors import RunDied
from alterd_executor.children import Child
from alterd_executor.nursery import Nursery
from alterd_executor.template import NAME
from tests.support import eventually
from tests.support.processes import proc, runs_of, templates_of

ORPHANED = 3


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    nursery = Nursery()
    nursery.prepare()
    yield nursery
    await nursery.close()
    assert templates_of(os.getpid()) == []


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_gone(child: Child) -> bool:
    return not Path(f"/proc/{child.pid}").exists()


async def test_a_run_has_a_group_and_a_name_of_its_own_and_ends_with_its_channel(nursery: Nursery) -> None:
    child = await nursery.take()
    assert os.getpgid(child.pid) == child.pid
    assert proc(child.pid, "comm").strip() == NAME.decode()
    assert runs_of(os.getpid()) == [child.pid]
    assert await child.ended() == ORPHANED
    await eventually(lambda: is_gone(child))


async def test_what_a_run_prints_is_heard(nursery: Nursery) -> None:
    child = await nursery.take()
    heard: list[str] = []
    child.output = heard.append
    with open(f"/proc/{child.pid}/fd/2", "w") as stderr:  # noqa: ASYNC230, PTH123 - a pipe
        stderr.write("a driver grumbles\n")
    await eventually(lambda: heard == ["a driver grumbles"])
    assert await child.kill() == -signal.SIGKILL


async def test_many_are_forked_at_once_and_leave_nothing(nursery: Nursery) -> None:
    await (await nursery.take()).kill()
    [template] = templates_of(os.getpid())
    before = open_files(os.getpid()), open_files(template)
    children = await asyncio.gather(*(nursery.take() for _ in range(20)))
    assert len({child.pid for child in children}) == 20
    assert open_files(template) == before[1]
    codes = await asyncio.gather(*(child.kill() for child in children))
    assert set(codes) == {-signal.SIGKILL}
    await eventually(lambda: all(map(is_gone, children)))
    await eventually(lambda: (open_files(os.getpid()), open_files(template)) == before)


async def test_runs_end_with_their_template_and_the_next_one_gets_another(nursery: Nursery) -> None:
    child = await nursery.take()
    [template] = templates_of(os.getpid())
    os.kill(template, signal.SIGKILL)
    assert await child.receive() is None
    assert await child.ended() == -signal.SIGKILL
    await eventually(lambda: is_gone(child))
    other = await nursery.take()
    assert templates_of(os.getpid()) != [template]
    assert await other.ended() == ORPHANED


async def test_a_template_that_cannot_fork_says_why_and_goes_on(nursery: Nursery) -> None:
    child = await nursery.take()
    [template] = templates_of(os.getpid())
    limits = resource.prlimit(template, resource.RLIMIT_NOFILE)
    resource.prlimit(template, resource.RLIMIT_NOFILE, (open_files(template), limits[1]))
    with pytest.raises(RunDied, match="Too many open files"):
        await nursery.take()
    resource.prlimit(template, resource.RLIMIT_NOFILE, limits)
    other = await nursery.take()
    assert {*await asyncio.gather(child.ended(), other.ended())} == {ORPHANED}
    assert templates_of(os.getpid()) == [template]


async def test_a_signal_to_all_ends_neither_template_nor_run(nursery: Nursery) -> None:
    """A service manager that stops a service signals each of its processes; the executor says when to end."""
    child = await nursery.take()
    [template] = templates_of(os.getpid())
    for pid in (template, child.pid):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    other = await nursery.take()
    assert templates_of(os.getpid()) == [template]
    assert {*await asyncio.gather(child.ended(), other.ended())} == {ORPHANED}
