"""XA transactions that were prepared before the stream begins.

Their rows are in a part of the binlog that the stream does not read, and become visible later without a further word
about them. One that changed the table holds its metadata lock until it is committed or rolled back. So when none holds
it as the stream is opened, whatever is committed afterwards either stands in the stream or does not touch the table;
what is read from the table after that moment shows all that was committed before.
"""

from __future__ import annotations

import time
from typing import Final

from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.quoting import qualified
from alterd_vitess.stream.errors import StreamRefused, UnsafeChange

PATIENCE: Final = 2.0
"""Seconds in which a prepared transaction may end: most do within milliseconds."""
_PAUSE: Final = 0.05

_INSTRUMENT = "SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl'"
# A prepared transaction whose session is gone keeps its locks under that session's number; after a restart of the
# server they belong to the thread that read it back from the disk.
_HOLDERS = """
SELECT COUNT(*)
  FROM performance_schema.metadata_locks AS locks
  LEFT JOIN performance_schema.threads AS thread ON thread.thread_id = locks.owner_thread_id
  LEFT JOIN performance_schema.events_transactions_current AS work ON work.thread_id = locks.owner_thread_id
 WHERE locks.object_type = 'TABLE' AND locks.object_schema = %s AND locks.object_name = %s
   AND locks.lock_status = 'GRANTED' AND locks.lock_duration = 'TRANSACTION'
   AND locks.lock_type NOT IN ('SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ')
   AND (thread.thread_id IS NULL OR thread.name = 'thread/sql/main' OR work.xa_state = 'PREPARED')
"""


def check_none_prepared(session: BlockingSession, schema: str, table: str) -> None:
    """Waits a moment for prepared transactions that hold the table. Raises `UnsafeChange`, `StreamRefused`."""
    if session.value(_INSTRUMENT) != "YES":
        raise StreamRefused(
            "the server does not tell who holds metadata locks, so a prepared XA transaction cannot be seen",
            hint="set performance_schema=ON and enable its instrument wait/lock/metadata/sql/mdl",
            server=session.address,
        )
    deadline = time.monotonic() + PATIENCE
    # twice at least: a session that ends between the look at its locks and the look at it seems to be gone
    while session.value(_HOLDERS, (schema, table)):
        if time.monotonic() > deadline:
            raise UnsafeChange(
                f"a prepared XA transaction has changed {qualified(schema, table)}",
                hint="XA RECOVER shows it: commit it or roll it back and retry; use no XA on this table meanwhile",
                table=f"{schema}.{table}",
            )
        time.sleep(_PAUSE)
