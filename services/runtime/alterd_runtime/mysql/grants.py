"""What alterd's account may do on a shard, and what it needs: the one source of checks, `doctor` and the document.

One account per shard serves executors, throttlers and `alterd doctor`; `Need.parts` says which of them a privilege is
for. Read from SHOW GRANTS, which shows the privileges of active roles too; grants on single tables are not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from alterd_contracts.errors import MissingPrivilege
from alterd_contracts.names import SCRATCH_PREFIX, SIDECAR_SCHEMA
from alterd_runtime.mysql.scratch import Queries


class Place(StrEnum):
    """Where a privilege is granted."""

    SERVER = "*.*"
    SCHEMA = "the shard's schema"
    SIDECAR = SIDECAR_SCHEMA
    SCRATCH = SCRATCH_PREFIX + "%"
    PERFORMANCE = "performance_schema"


class Part(StrEnum):
    """Who uses the account."""

    EXECUTOR = "executor"
    THROTTLER = "throttler"
    DOCTOR = "doctor"


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One privilege at one place."""

    privilege: str
    place: Place
    why: str
    parts: tuple[Part, ...] = (Part.EXECUTOR,)
    strategies: tuple[str, ...] = ()
    """Empty: whatever the strategy."""
    only: str = ""
    """When it is needed at all; empty for always. What is not always needed is no reason to refuse a change."""


ALL_PARTS = (Part.EXECUTOR, Part.THROTTLER, Part.DOCTOR)
HEARTBEAT = (Part.EXECUTOR, Part.THROTTLER)
VITESS = ("vitess",)
BINLOG = ("vitess", "gh-ost")
TRIGGERS = ("vitess", "gh-ost", "pt-osc")
TOOLS = "gh-ost, pt-osc"
ACCOUNTS = "gh-ost, pt-osc and others that ask for an account"
VIEWS = "views"


def _need(place: Place, privilege: str, why: str, parts: tuple[Part, ...] = (Part.EXECUTOR,)) -> Need:
    return Need(place=place, privilege=privilege, why=why, parts=parts)


def _online(place: Place, privilege: str, why: str, strategies: tuple[str, ...] = VITESS) -> Need:
    return Need(place=place, privilege=privilege, why=why, strategies=strategies)


def _seldom(place: Place, privilege: str, why: str, only: str, strategies: tuple[str, ...] = ()) -> Need:
    return Need(place=place, privilege=privilege, why=why, only=only, strategies=strategies)


NEEDS: tuple[Need, ...] = (
    _need(Place.SCHEMA, "SELECT", "definitions before and after; the rows that are copied"),
    _need(Place.SCHEMA, "INSERT", "MySQL asks for it with ALTER and RENAME; the shadow's rows"),
    _need(Place.SCHEMA, "CREATE", "CREATE TABLE, and the new name of a RENAME"),
    _need(Place.SCHEMA, "ALTER", "ALTER TABLE, and the old name of a RENAME"),
    _need(Place.SCHEMA, "DROP", "the old name of a RENAME; the collector drops artifacts"),
    _need(Place.SCHEMA, "REFERENCES", "MySQL asks for it on the parent of a foreign key"),
    _online(Place.SCHEMA, "DELETE", "touched keys are taken out of the shadow and put in again", TRIGGERS),
    _online(Place.SCHEMA, "LOCK TABLES", "the cut-over", BINLOG),
    _online(Place.SCHEMA, "CREATE TEMPORARY TABLES", "keys whose rows are looked up in the shadow"),
    _online(
        Place.SCHEMA,
        "TRIGGER",
        "a table's triggers are hidden from who lacks it: a swap would lose them unseen",
        TRIGGERS,
    ),
    _seldom(Place.SCHEMA, "UPDATE", "their accounts get it: they make and use tables", TOOLS),
    _seldom(Place.SCHEMA, "INDEX", "the same", TOOLS),
    _seldom(Place.SCHEMA, "CREATE VIEW", "views are created, altered and replaced", VIEWS),
    _seldom(Place.SCHEMA, "SHOW VIEW", "definitions of views before and after", VIEWS),
    _need(Place.SIDECAR, "SELECT", "the fence, the heartbeat, what a run remembers", HEARTBEAT),
    _need(Place.SIDECAR, "INSERT", "the same", HEARTBEAT),
    _need(Place.SIDECAR, "UPDATE", "the same", HEARTBEAT),
    _online(Place.SIDECAR, "DELETE", "what an ended run needs no more"),
    _need(Place.SIDECAR, "CREATE", "the schema and its tables, made by whoever comes first", HEARTBEAT),
    _online(Place.SIDECAR, "LOCK TABLES", "the fence is read under the cut-over's lock"),
    _need(Place.SCRATCH, "SELECT", "statements are tried on empty copies"),
    _need(Place.SCRATCH, "CREATE", "the same"),
    _need(Place.SCRATCH, "ALTER", "the same"),
    _need(Place.SCRATCH, "DROP", "the same"),
    _need(Place.SCRATCH, "REFERENCES", "the same"),
    _seldom(Place.SCRATCH, "CREATE VIEW", "stand-ins of views that a statement names", VIEWS),
    _seldom(Place.SCRATCH, "SHOW VIEW", "the same", VIEWS),
    _need(
        Place.PERFORMANCE, "SELECT", "who replicates from whom; sessions of older attempts; metadata locks", ALL_PARTS
    ),
    _need(Place.SERVER, "SESSION_VARIABLES_ADMIN", "innodb_strict_mode for old definitions; tries are not replicated"),
    _online(Place.SERVER, "REPLICATION SLAVE", "the change stream", BINLOG),
    _online(Place.SERVER, "REPLICATION CLIENT", "filters of the binary log", BINLOG),
    _online(Place.SERVER, "XA_RECOVER_ADMIN", "prepared XA transactions"),
    _online(Place.SERVER, "PROCESS", "foreign keys by which tables of other schemas refer to the table", BINLOG),
    _seldom(
        Place.SERVER, "CONNECTION_ADMIN", "KILL of who is in the way", "--force-cut-over-after, force-cutover", VITESS
    ),
    _seldom(Place.SERVER, "SET_ANY_DEFINER", "before 8.2 it is SET_USER_ID", "views of another definer"),
    _seldom(Place.SERVER, "CREATE USER", "accounts of one attempt", ACCOUNTS),
    _seldom(Place.SERVER, "GRANT OPTION", "what such an account gets", ACCOUNTS),
    _seldom(Place.SERVER, "CONNECTION_ADMIN", "KILL of what such an account still does", ACCOUNTS),
)
"""All of them, in the order of the document."""

INSTEAD: Mapping[str, frozenset[str]] = {
    "SESSION_VARIABLES_ADMIN": frozenset({"SYSTEM_VARIABLES_ADMIN"}),
    "CONNECTION_ADMIN": frozenset({"SUPER"}),
    "REPLICATION CLIENT": frozenset({"SUPER"}),
    "SET_ANY_DEFINER": frozenset({"SET_USER_ID", "SUPER"}),
}
"""Privileges that MySQL takes in the place of another one."""

_GRANT = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?P<what>.+?) ON (?:TABLE )?"
    r"(?P<schema>`(?:[^`]|``)*`|\*)\.(?P<table>`(?:[^`]|``)*`|\*) (?:TO|FROM) (?P<account>`.*?`@`.*?`)(?P<rest>.*)"
)
_SCRATCH_NAME = SCRATCH_PREFIX + "0" * 16
"""Stands for every scratch schema."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One line of SHOW GRANTS."""

    schema: str
    """As in the grant, quoted; ``*`` for the server."""
    privileges: frozenset[str]
    revoked: bool
    """Taken away from what is granted on the server: partial revokes."""


class Grants:
    """What an account may do. Pure."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._held: list[Held] = []
        self.account = ""
        """As MySQL writes it: ``'user'@'host'``."""
        for line in lines:
            match = _GRANT.match(line)
            if match is None or match["table"] != "*":
                continue
            self.account = match["account"].replace("`", "'")
            what = {part.strip().upper() for part in match["what"].split(",")}
            if "WITH GRANT OPTION" in match["rest"]:
                what.add("GRANT OPTION")
            self._held.append(
                Held(schema=match["schema"], privileges=frozenset(what), revoked=match["verb"] == "REVOKE")
            )

    def has(self, privilege: str, schema: str) -> bool:
        """Whether it is held on all of `schema`; ``*`` for the server."""
        wanted = {privilege, "ALL PRIVILEGES"} | INSTEAD.get(privilege, frozenset())
        if privilege == "GRANT OPTION":
            wanted.discard("ALL PRIVILEGES")
        here = [each for each in self._held if each.schema == "*" or (schema != "*" and _matches(each.schema, schema))]
        if any(each.revoked and wanted & each.privileges for each in here):
            return any(not each.revoked and each.schema != "*" and wanted & each.privileges for each in here)
        return any(wanted & each.privileges for each in here)

    def may_grant(self, privilege: str, pattern: str) -> bool:
        """Whether it is held on the server, or on a schema that is written as `pattern` is: who holds it on a schema
        alone cannot grant it on a pattern that means others too.
        """
        return any(
            not each.revoked and {privilege, "ALL PRIVILEGES"} & each.privileges
            for each in self._held
            if each.schema in {"*", f"`{pattern.replace('`', '``')}`"}
        )

    def lacking(self, needs: Iterable[Need], schema: str) -> list[Need]:
        """Those of `needs` that are not held, for a shard with `schema`."""
        return [need for need in needs if not self.has(need.privilege, _name(need.place, schema))]


def needs(*, strategy: str = "", part: Part | None = None, views: bool = False, seldom: bool = False) -> list[Need]:
    """What is always needed, or, with `views` or `seldom`, also what is needed for views, or for some things only.

    `strategy`: empty for all of them. `part`: None for all of them.
    """
    return [
        need
        for need in NEEDS
        if (not strategy or not need.strategies or strategy in need.strategies)
        and (part is None or part in need.parts)
        and (seldom or not need.only or (views and need.only == VIEWS))
    ]


def for_accounts(strategy: str) -> list[Need]:
    """What only a strategy needs that asks for an account, or only `strategy` for the one that it asks for."""
    return [need for need in NEEDS if need.only == ACCOUNTS or strategy in need.only.split(", ")]


def statements(lacking: Iterable[Need], schema: str, account: str) -> list[str]:
    """The GRANTs that mend it, one for each place."""
    places: dict[Place, list[str]] = {}
    for need in lacking:
        places.setdefault(need.place, []).append(need.privilege)
    return [
        f"GRANT {', '.join(privileges)} ON {_target(place, schema)} TO {account};"
        for place, privileges in places.items()
    ]


def errors(lacking: Sequence[Need], schema: str, account: str) -> list[MissingPrivilege]:
    """One error for each, with the GRANT that mends it."""
    return [
        MissingPrivilege(
            f"the account {account} has no {need.privilege} on {shown(need.place, schema)}: {need.why}",
            hint=statements([need], schema, account)[0],
            privilege=need.privilege,
        )
        for need in lacking
    ]


async def read_grants(session: Queries) -> Grants:
    """Of the session's own account, roles that are active included. Raises `StatementFailed`."""
    return Grants(str(next(iter(row.values()))) for row in await session.query("SHOW GRANTS"))


async def missing(session: Queries, schema: str, strategy: str, *, views: bool = False) -> list[MissingPrivilege]:
    """What the session's account lacks to run a change by `strategy` on a shard with `schema`; `views`: of a view."""
    grants = await read_grants(session)
    wanted = needs(strategy=strategy, part=Part.EXECUTOR, views=views)
    return errors(grants.lacking(wanted, schema), schema, grants.account)


def shown(place: Place, schema: str) -> str:
    """A place for people."""
    return "*.*" if place is Place.SERVER else f"{schema}.*" if place is Place.SCHEMA else f"{place}.*"


def table() -> str:
    """The rows of the document's table."""
    rows = ["| privilege | on | for | used by | why |", "|---|---|---|---|---|"]
    rows += [
        f"| `{need.privilege}` | {_cell(need.place)} | {whom(need)} | {', '.join(need.parts)} | {need.why} |"
        for need in NEEDS
    ]
    return "\n".join(rows)


def whom(need: Need) -> str:
    """What a privilege is for."""
    strategies = ", ".join(need.strategies) or "every strategy"
    if not need.only:
        return strategies
    return f"{strategies}: {need.only}" if need.strategies else need.only


def _cell(place: Place) -> str:
    return str(place) if place is Place.SCHEMA else f"`{place if place is Place.SERVER else f'{place}.*'}`"


def _name(place: Place, schema: str) -> str:
    match place:
        case Place.SERVER:
            return "*"
        case Place.SCHEMA:
            return schema
        case Place.SCRATCH:
            return _SCRATCH_NAME
        case _:
            return str(place)


def _target(place: Place, schema: str) -> str:
    """A place as a GRANT takes it: the ``_`` of a schema's name would be wildcards."""
    if place is Place.SERVER:
        return "*.*"
    if place is Place.SCRATCH:
        return f"`{_escaped(SCRATCH_PREFIX)}%`.*"
    return f"`{_escaped(schema if place is Place.SCHEMA else str(place))}`.*"


def _escaped(name: str) -> str:
    return name.replace("`", "``").replace("_", r"\_").replace("%", r"\%")


def _matches(granted: str, schema: str) -> bool:
    r"""Whether a schema of a grant is meant: ``_`` and ``%`` are wildcards unless a backslash stands before them."""
    text = granted[1:-1].replace("``", "`")
    meaning = {r"\_": "_", r"\%": "%", "_": ".", "%": ".*"}
    parts = re.split(r"(\\_|\\%|_|%)", text)
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts)).fullmatch(schema) is not None
