"""The flags of the strategy `gh-ost`: alterd's own, those that alterd sets itself, and all others, passed on."""

from __future__ import annotations

from typing import Final

import msgspec

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration
from alterd_contracts.flags import ALLOW_ZERO_IN_DATE, QUEUE_FLAGS, RETAIN_ARTIFACTS
from alterd_contracts.migration import Migration
from alterd_runtime.ddl_strategy import options_of
from alterd_tools.arguments import arguments

STRATEGY: Final = "gh-ost"
FLAGS: Final = (*QUEUE_FLAGS, ALLOW_ZERO_IN_DATE, RETAIN_ARTIFACTS)

RESERVED: Final = (
    # where, who and what
    *("host", "port", "user", "password", "ask-pass", "conf", "database", "table", "alter"),
    *("allow-on-master", "assume-master-host", "assume-rbr", "master-user", "master-password", "replica-server-id"),
    *("migrate-on-replica", "test-on-replica", "test-on-replica-skip-replica-stop", "switch-to-rbr", "tungsten"),
    # what it makes, keeps and drops
    *("force-table-names", "timestamp-old-table", "initially-drop-ghost-table", "initially-drop-old-table"),
    *("ok-to-drop-table", "old-table", "revert", "checkpoint", "resume", "gtid", "storage-engine"),
    # how it is held, stopped, throttled and watched
    *("execute", "postpone-cut-over-flag-file", "panic-flag-file", "throttle-http", "ignore-http-errors"),
    *("serve-socket-file", "serve-tcp-port", "initially-drop-socket-file", "hooks-path", "hooks-hint"),
    *("hooks-hint-owner", "hooks-hint-token", "hooks-status-interval", "force-named-cut-over", "force-named-panic"),
    *("verbose", "quiet", "version", "help", "h", "check-flag"),
    # what would change rows unseen, or the table past its completion
    *("panic-on-warnings", "approve-renamed-columns", "skip-renamed-columns", "skip-strict-mode"),
    *("attempt-instant-ddl", "cut-over", "discard-foreign-keys", "skip-foreign-key-checks"),
    *("allow-nullable-unique-key", "charset", "skip-metadata-lock-check"),
    # triggers would be made by the attempt's account, and go with it
    *("include-triggers", "trigger-suffix", "remove-trigger-suffix-if-exists"),
)
"""Refused by name."""

SWITCHES: Final = frozenset(
    {
        *("aliyun-rds", "allow-master-master", "allow-setup-metadata-lock-instruments", "azure"),
        *("concurrent-rowcount", "cut-over-exponential-backoff", "debug", "exact-rowcount", "gcp"),
        *("skip-port-validation", "ssl", "ssl-allow-insecure", "stack"),
    }
)
"""Flags that are passed on and take no value of their own."""

_READ_BY = Declaration(
    strategy=STRATEGY,
    version=__version__,
    kinds=(),
    flags=FLAGS,
    reserved_flags=RESERVED,
    passes_unknown_flags=True,
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags of one migration ask for."""

    zero_dates: bool = False
    passed: tuple[str, ...] = ()
    """Arguments for gh-ost, ``--name`` or ``--name=value`` each."""

    @classmethod
    def of(cls, record: Migration) -> Asked:
        """Raises `InvalidStrategy`."""
        options = options_of(record, _READ_BY)
        return cls(
            zero_dates=options.on(ALLOW_ZERO_IN_DATE.name),
            passed=arguments(options.passed, switches=SWITCHES, strategy=STRATEGY),
        )
