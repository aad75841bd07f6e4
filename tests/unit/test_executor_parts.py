"""Small parts of the executor: its messages, its throttle, its programs."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import UnknownStrategy
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Facts, Recovery, StartOver, Strategy, Task
from alterd_contracts.topology import ServerAddress
from alterd_executor.programs import run_program
from alterd_executor.protocol import (
    Access,
    Alive,
    Channel,
    FromRun,
    Garbled,
    LogText,
    RunCompleted,
    Stop,
    ThrottledNow,
    ToRun,
    UnthrottledNow,
    VerdictNow,
)
from alterd_executor.service import offers
from alterd_executor.throttle import RunThrottle
from alterd_runtime.bus import Slots
from alterd_runtime.plugins import Strategies
from tests.support import eventually


async def test_messages_come_as_they_were_sent_until_the_other_end_is_gone() -> None:
    here, there = socket.socketpair()
    parent: Channel[FromRun] = await Channel.over(here, FromRun)
    child: Channel[ToRun] = await Channel.over(there, ToRun)
    text = LogText(level="info", text="line\nbreak " + "x" * 1_000_000)
    for message in (Alive(), text, RunCompleted(message="fine")):
        child.send(message)
    assert [await parent.receive() for _ in range(3)] == [Alive(), text, RunCompleted(message="fine")]
    parent.send(Stop())
    assert await child.receive() == Stop()
    parent.close()
    assert await child.receive() is None
    child.close()


async def test_the_last_word_of_a_run_is_heard_though_it_has_not_heard_everything() -> None:
    here, there = socket.socketpair()
    parent: Channel[FromRun] = await Channel.over(here, FromRun)
    child: Channel[ToRun] = await Channel.over(there, ToRun)
    verdict = VerdictNow(go=True, reason="", valid_seconds=1.0)
    parent.send(verdict)
    leaving = asyncio.create_task(child.last_word(RunCompleted(message="fine")))
    for _ in range(20):  # it would be gone by now
        await asyncio.sleep(0.001)
        parent.send(verdict)
    assert await parent.receive() == RunCompleted(message="fine")
    assert not leaving.done()
    parent.close()
    await leaving


async def test_garbage_on_the_socket_is_named() -> None:
    here, there = socket.socketpair()
    with there:
        parent: Channel[FromRun] = await Channel.over(here, FromRun)
        there.sendall(b'{"type":"nonsense"}\n')
        with pytest.raises(Garbled, match="nonsense"):
            await parent.receive()
        parent.close()


RECORD = Migration(
    id=1,
    migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a3",
    keyspace="shop",
    shard="0",
    mysql_schema="shop",
    mysql_table="t",
    migration_statement="alter table t add i int",
    strategy="vitess",
)


def test_a_password_is_in_no_text_form() -> None:
    access = Access(primary=ServerAddress("h", 1), replicas=(), user="u", password="hunter2")
    assert "hunter2" not in f"{access} {access!r}"


async def test_without_a_word_of_the_throttler_a_run_waits_and_says_so() -> None:
    sent: list[msgspec.Struct] = []
    throttle = RunThrottle("", sent.append, RECORD)
    waiting = asyncio.create_task(throttle.wait("copy"))
    await eventually(lambda: sent == [ThrottledNow(app="copy", reason="no word from the throttler")])
    throttle.hear(VerdictNow(go=False, reason="lag 7.3 > 5.0", valid_seconds=5))
    await eventually(lambda: sent[-1] == ThrottledNow(app="copy", reason="lag 7.3 > 5.0"))
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=5))
    assert await waiting > 0
    assert throttle.judge() == ""
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=0))
    assert throttle.judge() == "no word from the throttler"
    assert sent[-1] == UnthrottledNow()


@pytest.mark.parametrize("app", [RECORD.migration_uuid, "online-ddl", "copy"])
async def test_what_a_user_throttles_waits_under_each_of_its_names(app: str) -> None:
    throttle = RunThrottle("", lambda _: None, RECORD)
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60, denied={app: 1.0, "another": 1.0}))
    assert throttle.judge("copy") == f"{app} is throttled by a user"
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60, denied={"another": 1.0}))
    assert throttle.judge("copy") == ""


async def test_a_ratio_lets_the_rest_of_the_questions_pass() -> None:
    throttle = RunThrottle("", lambda _: None, RECORD)
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60, denied={"online-ddl": 0.5}))
    answers = [throttle.judge("copy") for _ in range(2000)]
    assert 800 < answers.count("") < 1200
    assert set(answers) == {"", "online-ddl is throttled by a user, ratio 0.5"}


async def test_a_paused_run_gets_no_go_until_it_is_resumed() -> None:
    throttle = RunThrottle("", lambda _: None, RECORD.evolve(paused=True))
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60))
    waiting = asyncio.create_task(throttle.wait("copy"))
    await asyncio.sleep(0)
    assert throttle.judge() == "paused"
    throttle.pause(False)
    assert await waiting >= 0
    assert throttle.judge() == ""


async def test_the_last_that_waits_says_when_it_is_over_and_who_may_go_says_nothing() -> None:
    sent: list[msgspec.Struct] = []
    throttle = RunThrottle("", sent.append, RECORD)
    waiting = [asyncio.create_task(throttle.wait(app)) for app in ("copy", "apply")]
    await eventually(lambda: len(sent) == 2)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert UnthrottledNow() not in sent
    throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60))
    await waiting[1]
    assert sent.count(UnthrottledNow()) == 1
    count = len(sent)
    assert await throttle.wait("copy") == 0.0
    assert len(sent) == count


async def test_a_program_writes_to_the_log_and_gets_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTERD_SECRET", "hunter2")
    lines: list[str] = []
    code = "import os, sys; print(os.environ.get('ALTERD_SECRET'), os.environ['OWN'], os.getcwd()); sys.exit(7)"
    assert await run_program([sys.executable, "-c", code], {"OWN": "yes"}, tmp_path, lines.append) == 7
    assert lines == [f"None yes {tmp_path}"]


async def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    assert await run_program(["no-such-program"], {}, tmp_path, lines.append) == 127
    assert lines == ["cannot start no-such-program: No such file or directory"]


async def test_a_cancelled_program_ends_with_all_its_children(tmp_path: Path) -> None:
    lines: list[str] = []
    argv = ["sh", "-c", "sleep 1000 & echo $! $$; wait"]
    running = asyncio.create_task(run_program(argv, {}, tmp_path, lines.append))
    await eventually(lambda: len(lines) == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    pids = [int(pid) for pid in lines[0].split()]
    await eventually(lambda: not any(_works(pid) for pid in pids))


def _works(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_slots_are_shared_and_waited_for() -> None:
    slots = Slots(1)
    await slots.some()
    assert slots.take()
    assert not slots.take()
    waiting = [asyncio.create_task(slots.some()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    slots.give()
    await asyncio.gather(*waiting)
    assert slots.taken == 0


class Named(Strategy):
    def __init__(self, name: str, hidden: bool = False) -> None:
        self._declared = Declaration(strategy=name, version="1", kinds=(), hidden=hidden)

    def declare(self) -> Declaration:
        return self._declared

    async def run(self, task: Task) -> Facts:  # noqa: ARG002
        return Facts()

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002
        return StartOver()


def test_an_executor_offers_what_it_was_told_and_hidden_runners_always() -> None:
    strategies = Strategies()
    for strategy in (Named("a"), Named("b"), Named("hid", hidden=True)):
        strategies.add(strategy)
    assert [one.strategy for one in offers(strategies, ())] == ["a", "b", "hid"]
    assert [one.strategy for one in offers(strategies, ("b",))] == ["b", "hid"]
    with pytest.raises(UnknownStrategy, match="'c'"):
        offers(strategies, ("c",))
