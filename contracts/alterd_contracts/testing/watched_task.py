"""The task of a watched strategy: all goes on to the real one, and each call is a step in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from alterd_contracts.migration import Migration
from alterd_contracts.names import ArtifactKind
from alterd_contracts.statement import Statement
from alterd_contracts.strategy import Account, Log, Login, Session, Task, Throttle, Wanted
from alterd_contracts.testing.recorder import Recorder


class _Throttle:
    def __init__(self, throttle: Throttle, recorder: Recorder, within: str) -> None:
        self._throttle, self._recorder, self._within = throttle, recorder, within

    @property
    def url(self) -> str:
        self._recorder.tell(self._within, "throttle.url")
        return self._throttle.url

    async def wait(self, app: str) -> float:
        return await self._recorder.around(self._within, "throttle.wait", lambda: self._throttle.wait(app), name=app)


class _Log:
    def __init__(self, log: Log, recorder: Recorder, within: str) -> None:
        self._log, self._recorder, self._within = log, recorder, within

    def info(self, text: str) -> None:
        self._recorder.tell(self._within, "log", name="info", said=text)
        self._log.info(text)

    def warning(self, text: str) -> None:
        self._recorder.tell(self._within, "log", name="warning", said=text)
        self._log.warning(text)

    def error(self, text: str) -> None:
        self._recorder.tell(self._within, "log", name="error", said=text)
        self._log.error(text)


class WatchedTask:
    """`alterd_contracts.strategy.Task`, handed on to the real one."""

    def __init__(self, task: Task, recorder: Recorder, within: str) -> None:
        self._task, self._recorder, self._within = task, recorder, within
        self._throttle = _Throttle(task.throttle, recorder, within)
        self._log = _Log(task.log, recorder, within)

    @property
    def migration(self) -> Migration:
        return self._task.migration

    @property
    def statement(self) -> Statement:
        return self._task.statement

    @property
    def attempt(self) -> int:
        return self._task.attempt

    @property
    def workdir(self) -> Path:
        return self._task.workdir

    @property
    def throttle(self) -> Throttle:
        return self._throttle

    @property
    def log(self) -> Log:
        return self._log

    @property
    def wanted(self) -> Wanted:
        return self._task.wanted

    async def wanted_changed(self) -> Wanted:
        return await self._task.wanted_changed()

    async def primary(self, variables: Mapping[str, str | int] | None = None) -> Session:
        return await self._recorder.around(self._within, "primary", lambda: self._task.primary(variables))

    async def replica(self) -> Session | None:
        return await self._task.replica()

    async def replicas(self) -> dict[str, Session]:
        return await self._task.replicas()

    def fenced(self, session: Session) -> AbstractAsyncContextManager[None]:
        return self._task.fenced(session)

    async def check_fence(self, session: Session) -> None:
        await self._task.check_fence(session)

    def login(self) -> Login:
        return self._known(self._task.login())

    def replica_logins(self) -> Sequence[Login]:
        return [self._known(login) for login in self._task.replica_logins()]

    def _known(self, login: Login) -> Login:
        self._recorder.secret(login.password)
        return login

    async def phase(self, name: str) -> None:
        self._recorder.enters(name)
        await self._recorder.around(self._within, "phase", lambda: self._task.phase(name), look=True, name=name)

    async def ready(self, ready: bool = True) -> None:
        await self._recorder.around(
            self._within, "ready", lambda: self._task.ready(ready), look=True, answer=str(ready)
        )

    async def shadow_analyzed(self) -> None:
        await self._recorder.around(self._within, "shadow_analyzed", self._task.shadow_analyzed)

    async def may_complete(self) -> bool:
        return await self._recorder.around(
            self._within, "may_complete", self._task.may_complete, look=True, tells=lambda may: {"answer": str(may)}
        )

    def progress(
        self,
        *,
        rows_copied: int = 0,
        table_rows: int = 0,
        percent: float | None = None,
        eta_seconds: int = -1,
        lag_seconds: float = 0.0,
        stage: str = "",
        cutover_attempts: int = 0,
        keys_waiting: int = 0,
        message: str = "",
        rows_repaired: int = 0,
    ) -> None:
        rows = int(rows_copied)
        self._task.progress(
            rows_copied=rows_copied,
            table_rows=table_rows,
            percent=percent,
            eta_seconds=eta_seconds,
            lag_seconds=lag_seconds,
            stage=stage,
            cutover_attempts=cutover_attempts,
            keys_waiting=keys_waiting,
            message=message,
            rows_repaired=rows_repaired,
        )
        told = None if percent is None else float(percent)
        if told is None and table_rows > 0:
            told = 100.0 * rows / int(table_rows)
        self._recorder.tell(
            self._within,
            "progress",
            name="rows" if rows else "",
            rows=rows,
            percent=told,
            said=" ".join(filter(None, (stage, message))),
        )

    def alive(self) -> None:
        self._task.alive()
        self._recorder.tell(self._within, "alive")

    async def artifact(self, kind: ArtifactKind) -> str:
        return await self._recorder.around(
            self._within,
            "artifact",
            lambda: self._task.artifact(kind),
            look=True,
            tells=lambda name: {"names": (name,)},
            name=kind.value,
        )

    async def tool_artifacts(self, endings: Sequence[str]) -> tuple[str, ...]:
        return await self._recorder.around(
            self._within,
            "tool_artifacts",
            lambda: self._task.tool_artifacts(endings),
            look=True,
            tells=lambda names: {"names": tuple(names)},
        )

    async def foreign_artifacts(self, names: Sequence[str]) -> None:
        await self._recorder.around(
            self._within,
            "foreign_artifacts",
            lambda: self._task.foreign_artifacts(names),
            look=True,
            names=tuple(names),
        )

    async def forget_artifact(self, name: str) -> None:
        await self._recorder.around(
            self._within, "forget_artifact", lambda: self._task.forget_artifact(name), look=True, names=(name,)
        )

    async def account(self, grants: Sequence[str]) -> Account:
        return await self._recorder.around(
            self._within, "account", lambda: self._account(grants), look=True, tells=lambda made: {"answer": made.user}
        )

    async def _account(self, grants: Sequence[str]) -> Account:
        account = await self._task.account(grants)
        self._recorder.secret(account.password)
        return account

    async def subprocess(
        self, argv: Sequence[str], env: Mapping[str, str], tell: Callable[[str], None] | None = None
    ) -> int:
        words = tuple(str(word) for word in argv)
        return await self._recorder.around(
            self._within,
            "subprocess",
            lambda: self._program(argv, env, tell),
            look=True,
            tells=_exit_code,
            argv=words,
            names=tuple(sorted(env)),
        )

    async def _program(self, argv: Sequence[str], env: Mapping[str, str], tell: Callable[[str], None] | None) -> int:
        looking = asyncio.create_task(self._recorder.looking(self._within))
        try:
            return await self._task.subprocess(argv, env, tell)
        finally:
            looking.cancel()
            await asyncio.wait({looking})


def _exit_code(code: int) -> dict[str, Any]:
    return {"answer": str(code)}
