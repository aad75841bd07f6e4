"""What ends a change stream.

AlterdError
├── MigrationFailed (contracts)
│   ├── UnsafeChange             the stream cannot tell what happened to the table, or the table is another one now
│   └── StreamRefused            the server does not send its binlog to this account, or not like this
└── Interrupted (contracts)
    └── StreamLost               network, killed dump, dead reader: a new stream goes on where this one ended
"""

from __future__ import annotations

from alterd_contracts.errors import Interrupted, MigrationFailed


class UnsafeChange(MigrationFailed):
    """The binlog holds something that cannot be followed safely."""

    code = "unsafe_change"


class StreamRefused(MigrationFailed):
    """The server refuses to send its binlog."""

    code = "stream_refused"


class StreamLost(Interrupted):
    """The change stream ended."""

    code = "stream_lost"


def lost(server: str, why: str) -> StreamLost:
    return StreamLost(
        f"the change stream of {server} ended: {why}",
        hint="a new stream may start where this one ended",
        server=server,
    )
