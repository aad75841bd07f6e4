"""What a statement may be, once it is read."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from alterd_contracts.requests import Command
from alterd_contracts.states import Status


class Variable(StrEnum):
    """What a session remembers."""

    DDL_STRATEGY = "ddl_strategy"
    MIGRATION_CONTEXT = "migration_context"


class SetVariables(msgspec.Struct, frozen=True):
    """``set @@ddl_strategy='…', @@migration_context='…'``"""

    values: tuple[tuple[Variable, str | None], ...]
    """None for DEFAULT."""


class SelectVariables(msgspec.Struct, frozen=True):
    """``select @@ddl_strategy``"""

    columns: tuple[tuple[Variable, str], ...]
    """Each with the column's name."""


class Use(msgspec.Struct, frozen=True):
    """``use commerce``"""

    keyspace: str


class Ddl(msgspec.Struct, frozen=True):
    """A schema change: intake reads it."""

    sql: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """``alter vitess_migration '…' launch vitess_shards '-40,40-80'``"""

    command: Command
    uuid: str = ""
    """Empty: all."""
    shards: tuple[str, ...] = ()
    """Empty: all."""
    expire: float | None = None
    """Seconds; None where it is not said."""
    ratio: float | None = None
    threshold: int = 0
    """Seconds of a cut-over threshold; 0 for the default."""


class Revert(msgspec.Struct, frozen=True):
    """``revert vitess_migration '…'``"""

    uuid: str


class Query(msgspec.Struct, frozen=True):
    """A SELECT in SQLite's words. Strings are parameters."""

    sql: str
    parameters: tuple[str, ...] = ()


class ShowMigrations(msgspec.Struct, frozen=True, kw_only=True):
    """``show vitess_migrations from commerce like '…'``, or with WHERE."""

    query: Query
    keyspace: str = ""
    uuid: str = ""
    """Only this migration's records can match."""
    status: Status | None = None
    """Only records in this state are looked at."""


class SelectRecords(msgspec.Struct, frozen=True, kw_only=True):
    """``select … from _vt.schema_migrations where …``"""

    query: Query


class UpdateRecords(msgspec.Struct, frozen=True, kw_only=True):
    """``update _vt.schema_migrations set migration_status='retry' where …``"""

    command: Command
    rows: Query
    """Gives uuid, shard, tablet and status of the records that it is about."""
    bounded: bool
    """It has a WHERE."""
    alone: bool = True
    """Whether a record is meant does not depend on others."""


class ShowLogs(msgspec.Struct, frozen=True):
    """``show vitess_migration '…' logs``"""

    uuid: str


class ShowThrottledApps(msgspec.Struct, frozen=True):
    """``show vitess_throttled_apps``"""


class ShowThrottler(msgspec.Struct, frozen=True):
    """``show vitess_throttler status``"""


Statement = (
    SetVariables
    | SelectVariables
    | Use
    | Ddl
    | Order
    | Revert
    | ShowMigrations
    | SelectRecords
    | ShowLogs
    | ShowThrottledApps
    | ShowThrottler
)

TABLE: Final = "schema_migrations"
SCHEMA: Final = "_vt"
