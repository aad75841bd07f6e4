"""A service that is not alterd's asks for a schema change: over NATS, with the contracts alone.

    python examples/emit_request.py shop "ALTER TABLE customer ADD COLUMN city varchar(60)"

The request lies in JetStream from the first acknowledgement on, whether or not alterd is running just now; whoever
waits on the subject in ``Alterd-Reply-To`` hears what became of it.
"""

# ruff: noqa: T201 - a script talks to its terminal

from __future__ import annotations

import asyncio
import os
import sys

import nats
import nats.errors

from alterd_contracts import subjects
from alterd_contracts.envelope import CONTENT_TYPE, Reader, wrap
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import Accepted, DdlRequest, Outcome, Refusal

PATIENCE = 60
"""Seconds to wait for the outcome."""


async def emit(server: str, keyspace: str, sql: str) -> int:
    """Prints the outcome; the exit code."""
    request = DdlRequest(request_id=new_request_id(), keyspace=keyspace, sql=sql, caller="emit_request.py")
    connection = await nats.connect(server, max_reconnect_attempts=3)
    try:
        inbox = connection.new_inbox()
        replies = await connection.subscribe(inbox)
        await connection.jetstream().publish(
            subjects.request(keyspace),
            wrap(request, id=request.request_id, source="/examples/emit_request"),
            # the id makes a repeated publish harmless: the same request is stored once
            headers={"Nats-Msg-Id": request.request_id, "content-type": CONTENT_TYPE, subjects.REPLY_TO: inbox},
        )
        outcome: Outcome = Reader[Outcome](Outcome).read((await replies.next_msg(timeout=PATIENCE)).data)
    except nats.errors.TimeoutError:
        print(f"no answer in {PATIENCE} s; request {request.request_id} waits in its stream", file=sys.stderr)
        return 5
    finally:
        await connection.close()
    match outcome:
        case Accepted(migrations=migrations, shards=shards):
            for each in migrations:
                print(f"{each.migration_uuid} {each.ddl_action} {each.mysql_table} on shards {', '.join(shards)}")
            return 0
        case Refusal(errors=errors):
            for error in errors:
                print(f"refused ({error.code}): {error.message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    address = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
    sys.exit(asyncio.run(emit(address, sys.argv[1], sys.argv[2])))
