"""Measures one shard: who is the primary, how far are the others behind, how busy is it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgspec

from alterd_contracts.errors import AlterdError
from alterd_contracts.hookspecs import Metric
from alterd_contracts.names import new_request_id
from alterd_contracts.topology import ServerAddress, Shard
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.server import ServerFacts, read_facts
from alterd_runtime.mysql.shard import Answer, Chosen, NoneWritable, SeveralWritable, choose_primary
from alterd_runtime.secrets import resolve_secret
from alterd_throttler.heartbeat import NOT_THERE_YET, Heartbeat, beat, seen
from alterd_throttler.judge import LAG, THREADS_RUNNING, Measurements, Reading
from alterd_throttler.metrics import PluginMetrics
from alterd_throttler.probe import Probe, why
from alterd_throttler.sidecar import Sidecar


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one server showed: `facts`, or `error` in their place."""

    address: ServerAddress
    facts: ServerFacts | None = None
    lag: float | None = None
    """Seconds; None where our heartbeat has not arrived."""
    error: str = ""

    def answer(self) -> Answer:
        return Answer(address=self.address, facts=self.facts, error=self.error)


class Meter:
    """Sessions to all servers of a shard, and a heartbeat of its own: no other one's clock is ever read."""

    def __init__(self, keyspace: str, shard: Shard, metrics: Sequence[Metric], throttler: str) -> None:
        self.shard = shard
        self._heartbeat = Heartbeat(keyspace=keyspace, shard=shard.name, writer=f"{throttler}:{new_request_id()}")
        self._begun = time.monotonic()
        self._probes = {server: Probe(server, self._credentials) for server in shard.servers}
        self._sidecar = Sidecar(self._credentials)
        self._metrics = PluginMetrics(metrics, self._credentials)

    async def measure(self) -> Measurements:
        """Everything at once; at most three times `bounded.PATIENCE`. Never raises an AlterdError."""
        looks = await asyncio.gather(*(self._look(probe) for probe in self._probes.values()))
        match choose_primary([look.answer() for look in looks]):
            case Chosen() as chosen:
                of = {look.address: look for look in looks}
                behind = (*chosen.replicas, *chosen.strangers, *chosen.unreachable)
                lags = [self._lag(of[answer.address]) for answer in behind]
                primary = chosen.primary.address
                busy, plugins = await asyncio.gather(self._beat(primary), self._metrics.measure(primary))
                return Measurements(readings=(*lags, busy, *plugins))
            case SeveralWritable(writable):
                names = " and ".join(str(answer.address) for answer in writable)
                return Measurements(trouble=f"{len(writable)} writable servers: {names}")
            case NoneWritable(answers):
                return Measurements(trouble="no writable server: " + ", ".join(str(answer) for answer in answers))

    async def close(self) -> None:
        await asyncio.gather(self._metrics.close(), self._sidecar.close())
        for probe in self._probes.values():
            await probe.close()

    def _credentials(self) -> Credentials:
        return Credentials(self.shard.user, resolve_secret(self.shard.password, f"shard {self.shard.name}: password"))

    async def _look(self, probe: Probe) -> Look:
        def look(session: BlockingSession) -> Look:
            facts = read_facts(session)
            lag = None if facts.writable else seen(session, self._heartbeat)
            return Look(address=probe.address, facts=facts, lag=lag)

        try:
            return await probe.ask(look)
        except AlterdError as error:
            return Look(address=probe.address, error=why(error))

    def _lag(self, look: Look) -> Reading:
        reason = look.error
        if look.facts is not None and look.lag is None:
            reason = f"no heartbeat has arrived for {time.monotonic() - self._begun:.1f} s"
        return Reading(name=LAG, server=str(look.address), value=look.lag, why=reason)

    async def _beat(self, primary: ServerAddress) -> Reading:
        try:
            await self._sidecar.ensure(primary)
            threads = await self._probes[primary].ask(partial(beat, heartbeat=self._heartbeat))
        except AlterdError as error:
            if isinstance(error, MySQLError) and error.errno in NOT_THERE_YET:
                self._sidecar.forget()
            return Reading(name=THREADS_RUNNING, server=str(primary), value=None, why=why(error))
        return Reading(name=THREADS_RUNNING, server=str(primary), value=threads)
