"""How long from handing in a statement to its run: ``python -m tests.bench.submission_latency [--runs N]``.

Starts NATS, MySQL and the services, submits CREATE TABLE statements one after another, and takes the time from the
call to the arrival of the ``started`` event by this process's monotonic clock. Prints p50, p90 and the longest, in
milliseconds, and writes ``build/bench/submission_latency.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from functools import partial
from pathlib import Path

from alterd_contracts import subjects
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.servers import keyspace_of, provided_shop

GOAL_MS = 100.0


async def measure(client: Client, runs: int) -> list[float]:
    """Milliseconds of each run; the first, which starts things up, is not counted."""
    started: dict[str, float] = {}

    async def listen() -> None:
        async for message in client.bus.tail(subjects.EVENTS, subjects.events(fact="started"), new_only=True):
            if message is not None:
                started[message.subject.split(".")[-2]] = time.monotonic()

    listening = asyncio.create_task(listen())
    took: list[float] = []
    for number in range(runs + 1):
        begun = time.monotonic()
        [uuid] = await client.submit(f"CREATE TABLE t{number} (id int PRIMARY KEY, a varchar(20))")
        await client.until(uuid, Status.COMPLETE)
        await eventually(partial(started.__contains__, uuid))
        took.append((started[uuid] - begun) * 1000)
    listening.cancel()
    return sorted(took[1:])


async def measured(runs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, provided_shop() as server, server.fresh() as shop:
        home = Path(folder)
        with NatsServer(home / "nats") as nats:
            fleet = Fleet(home / "fleet", nats.url)
            try:
                fleet.start_all()
                async with Bus.open(NatsSettings(servers=(nats.url,)), "bench", "bench", patience=10) as bus:
                    await bus.ensure()
                    client = Client(bus, keyspace_of(shop, home))
                    await client.apply()
                    took = await measure(client, runs)
            finally:
                fleet.stop()
    return took


def main(runs: int) -> None:
    took = asyncio.run(measured(runs))
    report = {
        "runs": len(took),
        "p50_ms": round(took[len(took) // 2], 1),
        "p90_ms": round(took[len(took) * 9 // 10], 1),
        "max_ms": round(took[-1], 1),
        "goal_p50_ms": GOAL_MS,
    }
    print("submission to running:", ", ".join(f"{name} {value}" for name, value in report.items()))
    target = Path("build/bench/submission_latency.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    main(parser.parse_args().runs)
