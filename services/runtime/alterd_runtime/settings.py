"""Settings: defaults < TOML file < environment < flags.

A service's settings are a frozen struct; each field of it may stand in a table of the file, in the environment as
``ALTERD_<TABLE>__<FIELD>``, or in an override given by a flag (``table.field``). Secrets never stand here: settings
name an environment variable or a file that holds one.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints

import msgspec

from alterd_contracts.errors import InvalidSetting
from alterd_runtime.bus.connection import NatsSettings

PREFIX = "ALTERD_"
FILE_VARIABLE = "ALTERD_CONFIG"

Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class LogSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is logged."""

    level: str = "info"


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where /livez, /readyz, /metrics and /throttle answer."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: a free one, named in the log; -1: none."""


class SchedulerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str = ""
    lease_ttl: int = 15
    """Seconds after which a silent leader is replaced. Longer than a NATS cluster's change of leader (7 s)."""
    blocked_after: float = 30.0
    """Seconds after which work that nobody takes is told as blocked."""
    max_deaths: int = 5
    """Runs of one try that may end without a word before the migration fails."""
    max_concurrent: Count = 256
    """Migrations that may run on one shard at a time. Fewer where a shard bears few change streams at once."""
    keep_records: float = 31_536_000.0
    """Seconds for which the record of what has ended is kept, from its last change on, never shorter than its artifacts
    are. Shorter where a great many migrations are made and nobody asks for old ones; 0 keeps them for ever."""
    release_delay: float = 5.0
    """Seconds before work that was given back because its shard did not answer is offered again; twice as many each
    time that it does not begin, six times as many at most."""


class ExecutorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str = ""
    """Empty: made from the host's name. Two running executors must never share one."""
    slots: int = 8
    """Attempts at work at once; each a process of about 40 MB, as are those beside them that only wait."""
    lease_ttl: int = 15
    """Seconds after which a silent executor is taken for dead."""
    strategies: tuple[str, ...] = ()
    """Only these; empty: all that its plugins offer."""
    stale_warn: float = 300.0
    """Seconds without a sign of life before a warning."""
    stale_fail: float = 10800.0
    """Seconds without a sign of life before the run is ended."""
    collect_interval: float = 3600.0
    """Seconds between looks for artifacts past their retention."""
    retain_artifacts: float = 86400.0
    """Seconds for which artifacts are kept."""
    workdir: str = ""
    """Where runs keep their files; empty: the system's temporary folder."""
    lock_wait_timeout: int = 10
    """Seconds a statement waits for a table's metadata lock; every new query on the table waits with it."""


class ThrottlerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str = ""
    lease_ttl: int = 15
    interval: float = 0.25
    """Seconds between measurements of a shard somebody asks about."""
    idle_after: float = 10.0
    """Seconds after the last question at which a shard is no longer measured."""
    max_lag: float = 5.0
    """Seconds of replica lag above which the verdict is wait."""
    max_threads_running: int = 100


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    instance: str = ""
    check_timeout: float = 60.0
    """Seconds for an executor to try a script on one shard."""
    decision_timeout: float = 5.0
    """Seconds to wait for the scheduler's word before answering "recorded, not decided yet"."""


class VitessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the strategy `vitess` copies and applies; read by the executor's runs."""

    copy_sessions: Count = 2
    """Chunks copied side by side. More on a primary with idle cores and disks; 1 where the copy may only trickle."""
    apply_sessions: Count = 2
    """Batches of touched keys applied side by side. More when the keys that wait keep rising under heavy writes."""
    chunk_time: Positive = 0.1
    """Seconds one chunk should take; its size follows. Shorter where statements of the application wait behind
    chunks or replicas lag in steps; longer gains little."""
    chunk_rows: Count = 1000
    """Rows of the first chunk, before a time is known. Fewer for tables of very large rows."""
    max_chunk_rows: Count = 100_000
    """Rows a chunk never exceeds, however fast it is. Fewer where large transactions trouble replicas."""
    checkpoint_interval: Positive = 1.0
    """Seconds between two checkpoints. Longer saves writes on the primary; a dead attempt then repeats more."""
    max_lag: Positive = 5.0
    """Seconds behind the table's writes from which on no cut-over is tried. Higher where a busy table never comes
    closer and writers can bear the longer wait; lower for a shorter one."""
    disk_reserve: Annotated[int, msgspec.Meta(ge=0)] = 256 * 1024**2
    """Bytes that must stay free on the primary's disk, where its data is on this host: a change that would need them is
    refused, a copy that comes there is ended. More where others write to that disk; 0 looks no more."""
    disk_budget: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Bytes that one change may add, where the primary's disk cannot be seen from the executor. 0: no bound, and large
    changes are told that nobody knows whether there is room."""
    checksum: bool = True
    """Whether source and shadow are compared before the swap. Off is unsafe: nobody would see that the new table is
    wrong. For throw-away data only, where even a second reading of the table is too much."""
    checksum_interval: Positive = 3600.0
    """Seconds after which the comparison is repeated while the cut-over waits, and at least ten times as long as it
    takes. Longer where reading the table again hurts; a swap needs the first one only."""
    keys_in_memory: Count = 1_000_000
    """Touched keys that a run keeps in memory, about 150 bytes each; more of them wait in a file in its workdir. Fewer
    where many runs share a small host."""
    binlog_source: Literal["primary", "replica"] = "primary"
    """Whose binlog the change stream reads; `--binlog-source` of a migration goes before. `replica` where the primary's
    network or disk has nothing to spare: rows are still read on the primary, and the cut-over waits for the replica."""


class GhostSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the strategy `gh-ost` finds and runs the program; read by executors."""

    path: str = ""
    """Of the program; empty: the one on the PATH, else the one that alterd built. Set it where there are several."""
    checkpoint_interval: Annotated[int, msgspec.Meta(ge=10)] = 10
    """Seconds between two checkpoints. Longer writes less; a dead attempt then repeats up to twice as much."""


class PtOscSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the strategy `pt-osc` finds the program; read by executors."""

    path: str = ""
    """Of the program; empty: the one on the PATH, else the one that alterd unpacked. Set it where several are there."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    nats: NatsSettings = NatsSettings()
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    intake: IntakeSettings = IntakeSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    executor: ExecutorSettings = ExecutorSettings()
    throttler: ThrottlerSettings = ThrottlerSettings()
    vitess: VitessSettings = VitessSettings()
    ptosc: PtOscSettings = PtOscSettings()
    ghost: GhostSettings = GhostSettings()


def load(
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process.

    `overrides`: ``{"nats.servers": "nats://…"}``. Raises `InvalidSetting` naming the setting and where it came from.
    """
    environ = os.environ if environ is None else environ
    path = file or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    data = _read(path) if path else {}
    _convert(data, f"the file {path}")
    for name, value in environ.items():
        table, separator, field = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and separator:
            _set(data, table, field, value, f"the environment variable {name}")
    for dotted, value in (overrides or {}).items():
        table, _, field = dotted.partition(".")
        _set(data, table, field, value, f"the flag for {dotted}")
    return _convert(data, "the settings")


def instance_name(configured: str) -> str:
    """The configured name of this instance, or one made from the host's."""
    name = configured or f"{socket.gethostname()}-{os.getpid()}"
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InvalidSetting(f"cannot read {path}: {error.strerror}", setting=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{path} is no TOML: {error}", setting=str(path)) from None


def _set(data: dict[str, Any], table: str, field: str, value: str, origin: str) -> None:
    kind = get_type_hints(Settings).get(table)
    if kind is None or field not in get_type_hints(kind):
        raise InvalidSetting(f"{origin} names no setting", setting=f"{table}.{field}")
    parsed: Any = value
    if get_origin(get_type_hints(kind)[field]) is tuple:
        parsed = [part.strip() for part in value.split(",") if part.strip()]
    data.setdefault(table, {})[field] = parsed
    _convert(data, origin)


def _convert(data: dict[str, Any], origin: str) -> Settings:
    try:
        return msgspec.convert(data, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSetting(f"{origin}: {error}", setting=origin) from None
