"""The one lifecycle, with strategies that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import AlterdError, Fenced, LostSession, StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Resume, StartOver, Strategy, Task, Wanted
from alterd_executor.protocol import Ending, RunCancelled, RunCompleted, RunFailed, RunFenced, RunReleased
from alterd_executor.runner import RunnerTask, drive
from tests.support import eventually

DONE = AlreadyCompleted(facts=Facts(message="found done"))


class Told(Strategy):
    """Runs and recovers as the test says; remembers what was called."""

    def __init__(self, run: Callable[[Task], Awaitable[Facts]], found: Recovery | Exception | None = None) -> None:
        self._run, self._found = run, found or StartOver()
        self.calls: list[str] = []

    def declare(self) -> Declaration:
        return Declaration(strategy="told", version="1", kinds=())

    async def run(self, task: Task) -> Facts:
        self.calls.append("run")
        return await self._run(task)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002
        self.calls.append(f"recover {last_attempt}")
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    async def cleanup(self, task: Task) -> None:  # noqa: ARG002
        self.calls.append("cleanup")


class Stage:
    """As much of a task as the runner touches; no server behind it."""

    def __init__(self, attempt: int = 1, *, cancelled: bool = False) -> None:
        self.migration = Migration(
            id=1,
            migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a3",
            keyspace="k",
            shard="0",
            mysql_schema="s",
            mysql_table="t",
            migration_statement="",
            strategy="told",
            attempt=attempt,
            first_attempt=1,
        )
        self.attempt = attempt
        self.wanted = Wanted(cancel_requested=cancelled)
        self.stopping = asyncio.Event()
        self.changed = asyncio.Event()
        self.log = self
        self.lines: list[str] = []
        self.sessions_ended = 0

    async def wanted_changed(self) -> Wanted:
        await self.changed.wait()
        self.changed.clear()
        return self.wanted

    def cancel(self) -> None:
        self.wanted = Wanted(cancel_requested=True)
        self.changed.set()

    async def end_sessions(self) -> None:
        self.sessions_ended += 1

    def info(self, text: str) -> None:
        self.lines.append(text)

    warning = error = info


async def go(strategy: Strategy, stage: Stage) -> Ending:
    return await drive(strategy, cast("RunnerTask", stage))


def raising(error: BaseException) -> Callable[[Task], Awaitable[Facts]]:
    async def run(_task: Task) -> Facts:
        raise error

    return run


async def fine(_task: Task) -> Facts:
    return Facts(message="fine")


async def forever(_task: Task) -> Facts:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_run_that_returns_is_completed_without_further_questions() -> None:
    strategy = Told(fine)
    assert await go(strategy, Stage()) == RunCompleted(message="fine")
    assert strategy.calls == ["run"]


async def test_a_later_attempt_asks_first() -> None:
    strategy = Told(fine)
    assert await go(strategy, Stage(2)) == RunCompleted(message="fine")
    assert strategy.calls == ["recover 1", "run"]


async def test_a_later_attempt_does_not_run_what_has_happened() -> None:
    strategy = Told(fine, DONE)
    assert await go(strategy, Stage(2)) == RunCompleted(message="found done")
    assert strategy.calls == ["recover 1"]


async def test_a_cancel_before_the_start_runs_nothing() -> None:
    strategy = Told(fine)
    assert await go(strategy, Stage(3, cancelled=True)) == RunCancelled()
    assert strategy.calls == ["recover 3", "cleanup"]


@pytest.mark.parametrize(
    ("found", "ending", "cleaned"),
    [(StartOver(), RunCancelled, True), (DONE, RunCompleted, False), (LostSession(), RunReleased, False)],
)
async def test_a_cancel_is_decided_by_facts_once_all_sessions_are_gone(
    found: Recovery | Exception, ending: type, cleaned: bool
) -> None:
    strategy, stage = Told(forever, found), Stage()
    driving = asyncio.create_task(go(strategy, stage))
    await eventually(lambda: bool(strategy.calls))
    stage.cancel()
    assert isinstance(await driving, ending)
    assert stage.sessions_ended == 1
    assert strategy.calls == ["run", "recover 1", *(["cleanup"] if cleaned else [])]


@pytest.mark.parametrize(("found", "ending"), [(StartOver(), RunReleased), (DONE, RunCompleted)])
async def test_a_stop_gives_back_or_completes_and_cleans_nothing_up(found: Recovery, ending: type) -> None:
    strategy, stage = Told(forever, found), Stage()
    stage.stopping.set()
    assert isinstance(await go(strategy, stage), ending)
    assert strategy.calls == ["run", "recover 1"]


async def test_an_error_after_the_change_is_no_failure() -> None:
    assert isinstance(await go(Told(raising(StatementFailed("lost in thought")), DONE), Stage()), RunCompleted)


async def test_an_error_fails_and_cleans_up() -> None:
    strategy = Told(raising(StatementFailed("MySQL error 1062: no")))
    ending = await go(strategy, Stage())
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "statement_failed"
    assert strategy.calls == ["run", "recover 1", "cleanup"]


@pytest.mark.parametrize(("error", "ending"), [(Fenced(), RunFenced), (LostSession(), RunReleased)])
async def test_an_interruption_asks_nothing(error: AlterdError, ending: type) -> None:
    strategy = Told(raising(error))
    assert isinstance(await go(strategy, Stage()), ending)
    assert strategy.calls == ["run"]


async def test_a_foreign_exception_is_told_by_its_type_and_its_traceback_stays_in_the_log() -> None:
    stage = Stage()
    ending = await go(Told(raising(ZeroDivisionError("secret"))), stage)
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "internal"
    assert "ZeroDivisionError" in ending.error.message
    assert "secret" not in ending.error.message
    assert any("Traceback" in line for line in stage.lines)


async def test_a_strategy_that_cancels_itself_fails() -> None:
    ending = await go(Told(raising(asyncio.CancelledError())), Stage())
    assert isinstance(ending, RunFailed)


async def test_a_fenced_cleanup_is_silent() -> None:
    class Late(Told):
        async def cleanup(self, task: Task) -> None:  # noqa: ARG002
            raise Fenced

    assert await go(Late(raising(StatementFailed("no"))), Stage()) == RunFenced()


async def test_a_result_that_came_with_the_cancel_counts() -> None:
    async def stubborn(task: Task) -> Facts:
        try:
            return await forever(task)
        except asyncio.CancelledError:
            return Facts(message="was faster")

    stage, strategy = Stage(), Told(stubborn)
    driving: asyncio.Task[Any] = asyncio.create_task(go(strategy, stage))
    await eventually(lambda: bool(strategy.calls))
    stage.cancel()
    assert await driving == RunCompleted(message="was faster")


@pytest.mark.parametrize(
    ("losses", "resumable", "found", "ends"),
    [
        (1, False, StartOver(), RunCompleted),
        (2, False, StartOver(), RunFailed),
        (9, True, StartOver(), RunCompleted),
        (2, False, Resume(), RunCompleted),
        (2, False, DONE, RunCompleted),
    ],
)
async def test_what_cannot_be_resumed_begins_anew_once_by_itself(
    losses: int, resumable: bool, found: Recovery, ends: type[Ending]
) -> None:
    async def run(_task: Task) -> Facts:
        return Facts()

    stage = Stage(attempt=losses + 1)
    stage.migration = stage.migration.evolve(losses=losses, resumable=resumable)
    strategy = Told(run, found)
    ending = await go(strategy, stage)
    assert isinstance(ending, ends)
    if isinstance(ending, RunFailed):
        assert (ending.error.code, ending.error.retryable) == ("run_lost", True)
        assert "run" not in strategy.calls
        assert strategy.calls[-1] == "cleanup"
