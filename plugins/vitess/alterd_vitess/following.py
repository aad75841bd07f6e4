"""The change stream, from frame to touched keys; a lost one is begun again at the last transaction's border."""

from __future__ import annotations

import asyncio
import secrets

from alterd_vitess.gtid import GtidSet
from alterd_vitess.proof import Proof
from alterd_vitess.run import Run
from alterd_vitess.shadow import marker
from alterd_vitess.stream.errors import StreamLost, UnsafeChange
from alterd_vitess.stream.frames import Watch
from alterd_vitess.stream.stream import ChangeStream

RESTARTS = 5
"""Streams in a row that may be lost before they bring anything; then the attempt is given back."""
PAUSE = 0.2
"""Seconds before a lost stream is begun again, doubled each time."""
OWN_SERVER_IDS = 2**31
"""Servers of a group are rarely numbered from here on; two readers of one number would end each other."""


class Following:
    """Feeds `run.touched`."""

    def __init__(self, run: Run, proof: Proof) -> None:
        self._run, self._proof = run, proof
        self.began = asyncio.Event()
        """The server sends its binlog, and no prepared transaction holds the table: the copy may begin."""

    async def forever(self) -> None:
        """Until the swap. Raises what ends the change stream for good: `UnsafeChange`, `StreamLost` again and again."""
        fruitless = 0
        while True:
            before = self._run.positions.sequence
            try:
                await self._follow()
                return
            except UnsafeChange:
                if self._run.swapped:  # the new table's rows are not ours to follow
                    return
                raise
            except StreamLost as error:
                fruitless = fruitless + 1 if self._run.positions.sequence == before else 1
                if fruitless > RESTARTS:
                    raise
                self._run.task.log.warning(f"{error.message}; the change stream begins again")
                await asyncio.sleep(PAUSE * 2 ** (fruitless - 1))

    async def reached(self, gtids: GtidSet) -> None:
        """Returns when the stream has brought all of these transactions."""
        while not self._run.positions.received.contains(gtids):
            await self._run.bell.heard()

    async def _follow(self) -> None:
        run = self._run
        stream = await ChangeStream.open(self._watch())
        self.began.set()
        try:
            async for frame in stream:
                if run.swapped:
                    return
                sequence = run.positions.receive(frame.gtids)
                if frame.keys:
                    run.touched.touch(frame.keys, sequence)
                    self._proof.needed(frame.touching)
                run.bell.ring()
        finally:
            await stream.close()

    def _watch(self) -> Watch:
        run = self._run
        login = run.task.login()
        return Watch(
            host=login.host,
            port=login.port,
            user=login.user,
            password=login.password,
            session_name=login.name,
            server_id=OWN_SERVER_IDS + secrets.randbelow(2**31 - 1),
            start=str(run.positions.received),
            table_schema=run.schema,
            table=run.table,
            key=run.mapping.key,
            marker=marker(run.record.migration_uuid),
        )
