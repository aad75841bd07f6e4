"""Which strategy, shards and uuids a request means. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from alterd_contracts.declaration import Declaration, KindDeclaration
from alterd_contracts.errors import (
    ErrorInfo,
    InvalidInput,
    InvalidName,
    InvalidStrategy,
    UnknownKeyspace,
    UnknownStrategy,
    UnsupportedStatement,
)
from alterd_contracts.flags import (
    ALLOW_CONCURRENT,
    CUT_OVER_THRESHOLD,
    IN_ORDER_COMPLETION,
    POSTPONE_COMPLETION,
    POSTPONE_LAUNCH,
    RETAIN_ARTIFACTS,
    SINGLETONS,
)
from alterd_contracts.inputs import Choices, Submission
from alterd_contracts.names import check_context, check_keyspace, check_request, check_uuid, migration_uuid
from alterd_contracts.requests import DdlRequest
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.topology import Keyspace
from alterd_runtime.ddl_strategy import Options


def check_names(request: DdlRequest) -> list[ErrorInfo]:
    """What is malformed in the request's own fields."""
    errors: list[ErrorInfo] = []
    checks = [(check_request, request.request_id), (check_keyspace, request.keyspace)]
    checks += [(check_context, request.migration_context)]
    checks += [(check_uuid, uuid) for uuid in request.uuids]
    for check, value in checks:
        try:
            check(value)
        except InvalidName as error:
            errors.append(error.info())
    twice = sorted({uuid for uuid in request.uuids if request.uuids.count(uuid) > 1})
    return errors + [
        InvalidName(f"uuid {uuid} is given twice", hint="each migration has a uuid of its own", uuid=uuid).info()
        for uuid in twice
    ]


def find_keyspace(name: str, found: Keyspace | None, known: Iterable[str]) -> Keyspace:
    """Raises `UnknownKeyspace` that names those there are."""
    if found is None:
        names = ", ".join(known) or "none is"
        raise UnknownKeyspace(
            f"there is no keyspace {name!r}; known: {names}",
            hint="add it with `alterd keyspace apply FILE.toml`",
            keyspace=name,
        )
    return found


def find_strategy(name: str, declared: Mapping[str, Declaration]) -> Declaration:
    """The declaration of `name` or of its alias. Raises `UnknownStrategy` that names those there are."""
    if name not in declared:
        offered = ", ".join(sorted(declared)) or "none: no executor is running"
        raise UnknownStrategy(
            f"no running executor offers the strategy {name!r}; offered: {offered}",
            hint="see `alterd plugins`",
            strategy=name,
        )
    return declared[name]


def check_kinds(statements: Iterable[Statement], declaration: Declaration) -> list[ErrorInfo]:
    """Statements of kinds that the strategy does not declare."""
    errors = []
    for statement in statements:
        if declaration.kind(statement.kind) is None:
            kinds = ", ".join(str(kind.kind) for kind in declaration.kinds)
            errors.append(
                UnsupportedStatement(
                    f"the strategy {declaration.strategy} does not run {statement.kind}; it runs {kinds}",
                    hint="submit this statement with another strategy: `alterd plugins` says what each one runs",
                    statement=statement.label,
                    strategy=declaration.strategy,
                ).info()
            )
    return errors


def check_promises(statements: Iterable[Statement], declaration: Declaration, options: Options) -> list[ErrorInfo]:
    """Statements that the strategy cannot hold back or keep in order, as a flag asks for."""
    errors = []
    for statement in statements:
        kind = declaration.kind(statement.kind)
        for flag, kept in (
            (POSTPONE_COMPLETION, kind is not None and kind.postpone_completion),
            (IN_ORDER_COMPLETION, kind is not None and kind.in_order_completion),
        ):
            if options.on(flag.name) and not kept:
                errors.append(
                    InvalidStrategy(
                        f"--{flag.name} is not supported for {statement.kind} in the strategy {declaration.strategy}",
                        hint="leave the flag out, or submit this statement with another strategy",
                        flag=flag.name,
                        statement=statement.label,
                        strategy=declaration.strategy,
                    ).info()
                )
    return errors


def singletons_of(options: Options) -> tuple[str, ...]:
    """The singleton flags that were given."""
    return tuple(flag.name for flag in SINGLETONS if options.on(flag.name))


def choices_of(
    options: Options, kind: KindDeclaration | None = None, *, resumable: bool = True, throttleable: bool = True
) -> Choices:
    """What the flags, and what the strategy declares of its `kind`, put into the record of the statement that `options`
    were checked for.
    """
    declared = kind or KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=())
    return Choices(
        postpone_launch=options.on(POSTPONE_LAUNCH.name),
        allow_concurrent=declared.concurrent and options.on(ALLOW_CONCURRENT.name),
        in_order_completion=declared.in_order_completion and options.on(IN_ORDER_COMPLETION.name),
        is_immediate_operation=declared.immediate,
        exclusive_phases=declared.exclusive_phases,
        tail_phases=declared.tail_phases,
        resumable=resumable or declared.immediate,
        pausable=throttleable and not declared.immediate,
        postponable=kind is None or declared.postpone_completion,
        cuts_over=declared.cuts_over,
        retain_artifacts_seconds=math.ceil(options.seconds(RETAIN_ARTIFACTS.name)),
        postpone_completion=options.on(POSTPONE_COMPLETION.name),
        cutover_threshold_seconds=math.ceil(options.seconds(CUT_OVER_THRESHOLD.name)),
    )


def with_special_plans(submission: Submission, plans: tuple[str, ...]) -> Submission:
    """What MySQL does at once is immediate."""
    if not any(plans):
        return submission
    submitted = tuple(
        msgspec.structs.replace(
            item,
            choices=msgspec.structs.replace(item.choices, special_plan=plan, is_immediate_operation=True),
        )
        if plan
        else item
        for item, plan in zip(submission.submitted, plans, strict=True)
    )
    return msgspec.structs.replace(submission, submitted=submitted)


def uuids_of(request: DdlRequest, statements: tuple[Statement, ...]) -> tuple[str, ...]:
    """One uuid per statement: the caller's, or made of the request id. Raises `InvalidInput`."""
    if not request.uuids:
        return tuple(migration_uuid(request.request_id, number) for number in range(len(statements)))
    if len(request.uuids) != len(statements):
        raise InvalidInput(
            f"{len(request.uuids)} uuids are given for {len(statements)} migrations",
            hint="one for each, or none; DROP TABLE a, b makes two migrations",
            flag="uuid",
        )
    return request.uuids


def context_of(request: DdlRequest) -> str:
    return request.migration_context or f"alterd:{request.request_id}"


def schemas_of(keyspace: Keyspace) -> frozenset[str]:
    """Qualifiers that a statement may carry: the keyspace's name and its schemas."""
    return frozenset({keyspace.name, *(shard.schema for shard in keyspace.shards)})


def default_strategy(setting: str, keyspace: Keyspace) -> str:
    """The strategy's text that holds: the request's, else the keyspace's. Raises `InvalidStrategy`."""
    text = setting.strip() or keyspace.default_ddl_strategy
    if not text:
        raise InvalidStrategy(
            f"the keyspace {keyspace.name} has no default ddl_strategy", hint="give --ddl-strategy", flag="ddl-strategy"
        )
    return text
