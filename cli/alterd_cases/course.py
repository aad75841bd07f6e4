"""One case from its tables to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from alterd_cases import oracle
from alterd_cases.case import Case
from alterd_cases.comparing import Definition, definitions_differ, rows_differ
from alterd_cases.system import BORDERS, Ended, System, uuid_of
from alterd_cases.verdict import Again, Outcome, Verdict, Wrong
from alterd_cases.writers import Writers
from alterd_contracts.errors import AlterdError
from alterd_contracts.names import ArtifactKind, new_request_id
from alterd_runtime.ddl_strategy.setting import ALIASES
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.sidecar import ARTIFACTS

WORDED_FOR = "vitess"
"""The strategy whose words `expect_failure` has; any other may fail otherwise, or do what MySQL's own ALTER does."""
PATIENCE = 60.0
"""Seconds for one change."""
WARM = 10.0
"""Seconds for the writers to have committed something each."""
TRIES = 3

Meddle = Callable[[BlockingSession, str, str], None]


async def run_case(
    system: System, case: Case, strategy: str, *, keep: bool = False, meddle: Meddle | None = None
) -> Verdict:
    """The verdict. `meddle`: called with the schema and the new table between the swap and the comparison."""
    began = time.monotonic()
    if case.min_version > system.version:
        wanted = ".".join(map(str, case.min_version))
        return Verdict(case=case.name, outcome=Outcome.NOT_HERE, reason=f"it needs MySQL {wanted}")
    for left in reversed(range(TRIES)):
        course = _Course(system, case, strategy, meddle)
        outcome, reason = Outcome.PASSED, ""
        try:
            reason = await course.run()
        except (Wrong, AlterdError) as error:
            outcome, reason = Outcome.FAILED, str(error)
        except Again as error:
            if left:
                continue
            outcome, reason = Outcome.FAILED, f"{error}, {TRIES} times in a row"
        finally:
            await course.close(keep=keep)
        return Verdict(
            case=case.name,
            outcome=outcome,
            seconds=round(time.monotonic() - began, 1),
            reason=reason,
            transactions=len(course.commits),
            during_copy=course.during_copy,
        )
    raise AssertionError("the last try has a verdict")


class _Course:
    """One try of a case."""

    def __init__(self, system: System, case: Case, strategy: str, meddle: Meddle | None) -> None:
        self._system, self._case, self._meddle = system, case, meddle
        self._strategy = f"{strategy} {case.options}".strip()
        name = strategy.partition(" ")[0]
        self._name = ALIASES.get(name, name)
        self._borders = BORDERS.get(self._name)
        self._holding = self._borders is not None
        self._wanted = f"{case.schema}__want"
        self._control: BlockingSession | None = None
        self._writers = Writers(system.endpoint, case.schema, case.writes, case.sessions)
        self._uuids: list[str] = []
        self._sql_mode = ""
        self.during_copy = 0

    @property
    def commits(self) -> list[float]:
        return self._writers.commits

    @property
    def control(self) -> BlockingSession:
        assert self._control is not None
        return self._control

    async def run(self) -> str:
        """What was seen. Raises `Wrong`, `Again`, an AlterdError."""
        case = self._case
        definition = await asyncio.to_thread(self._prepare)
        await self._system.know(case.name, case.schema)
        self._writers.start()
        await self._warm()
        if not self._holding:
            await self._end_writers()
            await asyncio.to_thread(self._copy, case.table, definition)
        ended = await self._change(hold=self._holding)
        if not await asyncio.to_thread(self._writers.end, self.control):
            raise Again("the writers could not be ended")
        self._count()
        if self._writers.trouble:
            raise Wrong(f"dml.sql: {self._writers.trouble}")
        if ended.complete:
            return await asyncio.to_thread(self._judge, definition)
        return await self._judge_failure(ended, definition)

    async def close(self, *, keep: bool) -> None:
        """Ends what is left, and drops the schemas unless they are wanted."""
        await asyncio.to_thread(self._clean, keep)
        for uuid in self._uuids:
            for mark in self._system.mark(uuid, "x").parent.glob(f"{uuid}.*"):
                mark.unlink(missing_ok=True)
        await self._system.forget(self._case.name)

    # Before ----------------------------------------------------------------------------------------------------

    def _prepare(self) -> str:
        """Makes schemas and tables: the definition of the table."""
        case = self._case
        self._control = self._system.open()
        for schema in (case.schema, self._wanted):
            self.control.execute(f"DROP SCHEMA IF EXISTS {identifier(schema)}")
            self.control.execute(f"CREATE SCHEMA {identifier(schema)}")
        if case.sql_mode is not None:
            self._sql_mode = str(self.control.value("SELECT @@global.sql_mode"))
            self.control.execute("SET GLOBAL sql_mode = %s", (case.sql_mode,))
        with contextlib.closing(self._system.open(case.schema)) as session:
            session.execute("SET SESSION cte_max_recursion_depth = 1000000, time_zone = DEFAULT")
            for statement in case.create:
                session.execute(statement)
        return oracle.show_create(self.control, case.schema, case.table)

    async def _warm(self) -> None:
        deadline = time.monotonic() + WARM
        while not self._writers.at_work and time.monotonic() < deadline:  # noqa: ASYNC110 - threads are watched
            await asyncio.sleep(0.01)
        if self._case.writes and not self._writers.commits:
            raise Wrong(f"dml.sql has changed nothing in {WARM:g} s: {self._writers.trouble or 'no error'}")

    # The change ------------------------------------------------------------------------------------------------

    async def _change(self, *, hold: bool) -> Ended:
        """Submits the ALTER and waits for its end; at the swap the writers are ended. Raises `Wrong`, `Again`."""
        request_id, case = new_request_id(), self._case
        uuid = uuid_of(request_id)
        self._uuids.append(uuid)
        refused = await self._system.submit(case.name, case.alter, self._strategy, request_id)
        if refused is not None:
            return refused
        mark = self._system.mark(uuid, self._borders.held if self._borders is not None else "")
        freezing = asyncio.create_task(self._freeze(mark)) if hold else None
        try:
            async with asyncio.timeout(PATIENCE):
                ended = await self._system.ended(case.name, uuid)
        except TimeoutError:
            words = await self._system.last_words(case.name, uuid)
            await self._system.cancel(case.name, uuid)
            raise Wrong(f"not at its end after {PATIENCE:g} s: {words}") from None
        finally:
            if freezing is not None:
                freezing.cancel()
                await asyncio.gather(freezing, return_exceptions=True)
        if _file(mark, "late").exists() or (ended.complete and hold and not _file(mark, "go").exists()):
            raise Again("the writers could not be ended while the swap was held")
        return ended

    async def _freeze(self, mark: Path) -> None:
        """When the tables are swapped and still locked: ends the writers, then lets the run go on."""
        while not mark.exists():  # noqa: ASYNC110, ASYNC240 - a process of others leaves it
            await asyncio.sleep(0.01)
        if await asyncio.to_thread(self._writers.end, self.control):
            _file(mark, "go").touch()

    async def _end_writers(self) -> None:
        if not await asyncio.to_thread(self._writers.end, self.control):
            raise Again("the writers could not be ended")

    def _count(self) -> None:
        if self._borders is None:
            return
        planned = self._system.mark(self._uuids[0], self._borders.planned)
        copied = self._system.mark(self._uuids[0], self._borders.copied)
        if planned.exists() and copied.exists():
            first, last = planned.stat().st_mtime, copied.stat().st_mtime
            self.during_copy = sum(first <= moment <= last for moment in self.commits)

    # After -----------------------------------------------------------------------------------------------------

    def _judge(self, definition: str) -> str:
        case, control = self._case, self.control
        if case.expect_failure and self._name == WORDED_FOR:  # another may do more; MySQL's own ALTER is asked below
            raise Wrong(f"it is complete, and should have failed with {', '.join(case.expect_failure)}")
        new, wanted = (case.schema, case.table), (self._wanted, case.table)
        if self._meddle is not None:
            self._meddle(control, *new)
        if self._holding:
            old = self._old_table()
            self._copy(old, definition)
        word = oracle.refused(control, case, self._wanted)
        if word:
            raise Wrong(f"it is complete, and MySQL's own ALTER fails on the same rows: {word}")
        had_counter = " AUTO_INCREMENT" in definition
        difference = oracle.compared(control, case, new, wanted, counter=had_counter)
        if not difference and self._holding:
            difference = oracle.carried(control, case, (case.schema, old), new)
        self._check_artifacts()
        if difference:
            raise Wrong(difference)
        if case.writes and self._holding and not self.during_copy:
            raise Wrong(f"of {len(self.commits)} transactions none was committed during the copy: give it more rows")
        return f"{len(self.commits)} transactions, {self.during_copy} of them during the copy"

    async def _judge_failure(self, ended: Ended, definition: str) -> str:
        """The failure is the one that was expected, MySQL fails too, and a second try in silence changes nothing."""
        case, said = self._case, f"[{ended.code}] {ended.message}"
        if not case.expect_failure:
            raise Wrong(said)
        for part in case.expect_failure if self._name == WORDED_FOR else ():
            if part not in ended.message and part != ended.code:
                raise Wrong(f"its failure should say {part!r}, and says {said}")
        if case.writes and not self.commits:
            raise Wrong("the writers have written nothing")
        before = await asyncio.to_thread(self._rows)
        again = await self._change(hold=False)
        if again.complete:
            raise Wrong(f"it failed under the writers ({said}), and was complete without them")
        await asyncio.to_thread(self._check_untouched, before, definition)
        if not ended.refused and self._holding:
            word = await asyncio.to_thread(self._refused, definition)
            if not word:
                raise Wrong(f"MySQL's own ALTER takes the same rows, and it failed with {said}")
        return f"{len(self.commits)} transactions; failed as it should: {ended.message}"

    def _refused(self, definition: str) -> str:
        self._copy(self._case.table, definition)
        return oracle.refused(self.control, self._case, self._wanted)

    def _rows(self) -> list[tuple[str | None, ...]]:
        columns = oracle.columns_of(self.control, self._case.schema, self._case.table)
        return oracle.read_rows(self.control, self._case.schema, self._case.table, columns)

    def _check_untouched(self, before: list[tuple[str | None, ...]], definition: str) -> None:
        case = self._case
        found = Definition.of(oracle.show_create(self.control, case.schema, case.table))
        names = [each.name for each in oracle.columns_of(self.control, case.schema, case.table)]
        difference = definitions_differ(found, Definition.of(definition)) or rows_differ(
            self._rows(), before, names, case.order_by or names[:1]
        )
        if difference:
            raise Wrong(f"the failed change has touched the table: {difference}")
        self._check_artifacts()

    def _copy(self, source: str, definition: str) -> None:
        oracle.copied(self.control, self._case.schema, source, definition, self._wanted, self._case.table)

    def _old_table(self) -> str:
        name: str | None = self.control.value(
            # of a tool's tables only the old one is left
            f"SELECT `name` FROM {ARTIFACTS} WHERE `migration_uuid` = %s AND `kind` IN %s AND `collected_at` IS NULL",
            (self._uuids[-1], (ArtifactKind.OLD.value, ArtifactKind.TOOL.value)),
        )
        if name is None:
            raise Wrong("no old table is listed among the artifacts")
        return name

    def _check_artifacts(self) -> None:
        rows = self.control.query(
            "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
            f" AND TABLE_NAME LIKE '\\_alterd\\_%%' AND TABLE_NAME NOT IN (SELECT `name` FROM {ARTIFACTS}"
            " WHERE `table_schema` = %s AND `collected_at` IS NULL)".replace("%%", "%"),
            (self._case.schema, self._case.schema),
        )
        if rows:
            raise Wrong(f"tables that no artifact declares: {', '.join(row['name'] for row in rows)}")

    def _clean(self, keep: bool) -> None:
        if self._control is None:
            return
        self._writers.end(self.control)
        if self._case.sql_mode is not None:
            self.control.execute("SET GLOBAL sql_mode = %s", (self._sql_mode,))
        if not keep:
            for schema in (self._case.schema, self._wanted):
                self.control.execute(f"DROP SCHEMA IF EXISTS {identifier(schema)}")
        self.control.close()


def _file(mark: Path, ending: str) -> Path:
    return mark.with_name(f"{mark.name}.{ending}")
