"""A script of statements, carried out one after the other, and what is printed of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from alterd_cli.answers import EFFECTIVE
from alterd_cli.failures import RefusedByService
from alterd_cli.link import open_bus
from alterd_cli.options import Output
from alterd_cli.output import echo, echo_json, note
from alterd_cli.sql import grammar, grid
from alterd_cli.sql.asking import select
from alterd_cli.sql.script import Piece, split
from alterd_cli.sql.session import Done, Session, told
from alterd_cli.sql.statements import SelectRecords, Statement, UpdateRecords
from alterd_cli.sql.table import Result
from alterd_cli.sql.vexec import Target
from alterd_cli.sql.vexec import read as read_vexec
from alterd_cli.watching import follow
from alterd_contracts.errors import AlterdError, InvalidInput, SyntaxRefused
from alterd_runtime.bus import Bus
from alterd_runtime.settings import IntakeSettings

NO_RESULT = "<no result>"


def read_all(text: str, reading: Callable[[Piece], Any] = grammar.read) -> list[tuple[Piece, Any]]:
    """Every statement of a script, read. Raises `RefusedByService` that names all that cannot be, before any is run."""
    try:
        pieces = split(text)
        if not pieces:
            raise SyntaxRefused("there is no statement")
    except AlterdError as error:
        raise RefusedByService((error.info(),)) from None
    read, errors = [], []
    for piece in pieces:
        try:
            read.append((piece, reading(piece)))
        except AlterdError as error:
            errors.append(piece.error(error))
    if errors:
        raise RefusedByService(errors)
    return read


async def run_script(text: str, keyspace: str, settings: IntakeSettings, output: Output) -> int:
    """The exit code: of the first statement that comes to no good end; nothing after it is begun.

    Raises `RefusedByService`, `BusUnreachable`, `ServiceUnreachable`.
    """
    read = read_all(text)
    documents: list[dict[str, Any]] = []
    async with open_bus() as bus:
        session = Session(bus, keyspace, settings)
        code = 0
        try:
            for piece, statement in read:
                code = await run_one(bus, session, piece, statement, documents if output is Output.JSON else None)
                if code:
                    break
        finally:
            if output is Output.JSON and documents:
                echo_json(documents)
    return code


async def run_one(
    bus: Bus, session: Session, piece: Piece, statement: Statement, documents: list[dict[str, Any]] | None
) -> int:
    """Carries one statement out and prints it, or adds its document; the exit code. Raises `RefusedByService`."""
    began = time.monotonic()
    try:
        done = await session.run(statement)
    except RefusedByService as refused:
        raise RefusedByService([piece.named(error) for error in refused.errors]) from None
    except AlterdError as error:
        raise RefusedByService((piece.error(error),)) from None
    if documents is None:
        show(done, piece, time.monotonic() - began)
    else:
        documents.append(document(done, piece))
    if not done.expected:
        return 0
    uuids = list(dict.fromkeys(uuid for _, _, uuid in done.expected))
    return await follow(bus, uuids, expected=done.expected, stderr=True)


def show(done: Done, piece: Piece, seconds: float) -> None:
    """Rows on stdout, all else on stderr."""
    if done.result is None:
        if done.affected is not None:
            note(f"Query OK, {done.affected} row{'' if done.affected == 1 else 's'} affected ({seconds:.2f} sec)")
    else:
        if done.result.rows:
            for line in lines(done.result, piece, done.null):
                echo(line)
        note(grid.summary(done.result, seconds))
    for text in done.notes:
        note(text)


def lines(result: Result, piece: Piece, null: str) -> list[str]:
    return grid.vertical(result, null=null) if piece.vertical else grid.grid(result, null=null)


def document(done: Done, piece: Piece) -> dict[str, Any]:
    """A statement as JSON."""
    found: dict[str, Any] = {"statement": piece.text, "notes": list(done.notes)}
    if done.result is None:
        return found | {"affected": done.affected or 0}
    return found | {"rows": [dict(zip(done.result.columns, row, strict=True)) for row in done.result.rows]}


async def run_vexec(place: str, text: str, settings: IntakeSettings, output: Output) -> None:
    """One statement on the records of a keyspace or a migration.

    Raises `RefusedByService`, `InvalidName`, `BusUnreachable`, `ServiceUnreachable`.
    """
    target = Target.parse(place)
    read = read_all(text, read_vexec)
    if len(read) > 1:
        raise InvalidInput("there are several statements", hint="`alterd vexec` takes one")
    [(piece, statement)] = read
    async with open_bus() as bus:
        session = Session(bus, target.keyspace, settings)
        try:
            done = await _vexec(session, target, statement)
        except AlterdError as error:
            raise RefusedByService((piece.error(error),)) from None
    if output is Output.JSON:
        echo_json(document(done, piece))
    else:
        assert done.result is not None
        for line in lines(done.result, piece, done.null) if done.result.rows else [NO_RESULT]:
            echo(line)
    for line in done.notes:
        note(line)


async def _vexec(session: Session, target: Target, statement: SelectRecords | UpdateRecords) -> Done:
    if isinstance(statement, SelectRecords) and not target.uuid:
        await session.check(target)
        return Done(result=await session.select(statement.query, target.keyspace), null="")
    if isinstance(statement, SelectRecords):
        return Done(result=await select(await session.vexec_records(target), statement.query), null="")
    if not target.uuid and not statement.bounded:
        raise InvalidInput(
            "this would be said to every migration of the keyspace",
            hint="name one, as in commerce.UUID, or say which by WHERE",
        )
    return await _update(session, target, statement)


async def _update(session: Session, target: Target, statement: UpdateRecords) -> Done:
    chosen = await session.chosen(target, statement)
    shards: dict[str, tuple[str, ...]] = {}
    for record in chosen:
        shards[record.uuid] = (*shards.get(record.uuid, ()), record.shard)
    given = await session.say(statement.command, shards)
    if given.refused and not given.affected:
        raise RefusedByService(given.refused)
    tablets = {(record.uuid, record.shard): record.tablet for record in chosen}
    rows = tuple(
        (tablets[effect.migration_uuid, effect.shard] or f"{session.keyspace}/{effect.shard}", effect.affected)
        for effect in given.effects
        if effect.affected
    )
    notes = [told(effect) for effect in given.effects]
    if given.undecided:
        notes.append(given.silence)
    if not chosen:
        states = " or ".join(sorted(EFFECTIVE[statement.command]))
        notes.append(f"no record that it is about is {states}" if not target.uuid else "it is about no record")
    return Done(result=Result(("Tablet", "RowsAffected"), rows), notes=tuple(notes), null="")
