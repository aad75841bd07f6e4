"""NATS: does it answer, is it new enough, are alterd's streams there, is durable durable."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from alterd_cli import home
from alterd_cli.doctor.findings import Finding, fail, ok, warn
from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_runtime.bus import Bus, NatsSettings

PART = "nats"
OLDEST = (2, 11)
GREETING_TIMEOUT = 2.0
"""Seconds for a server's first line."""


async def check_server(url: str, settings: NatsSettings) -> list[Finding]:
    """By its greeting, which every server sends before anybody signs in."""
    try:
        info = await greeting(url)
    except (OSError, TimeoutError, ValueError) as error:
        return [
            fail(
                PART, f"{_bare(url)} does not answer: {str(error) or type(error).__name__}", "start it with `alterd up`"
            )
        ]
    version = str(info.get("version", "?"))
    found = [
        ok(PART, f"{_bare(url)} answers, version {version}")
        if new_enough(version)
        else fail(PART, f"{_bare(url)} has version {version}", f"alterd needs {'.'.join(map(str, OLDEST))} or later")
    ]
    if not info.get("jetstream"):
        found.append(fail(PART, "JetStream is off", "add a `jetstream {}` block to its configuration"))
        return found
    found.append(ok(PART, "JetStream is on"))
    if home.local_nats() in settings.servers and home.local_nats():
        found.append(ok(PART, "writes are on disk before they are acknowledged (run by `alterd up`)"))
    else:
        found.append(
            warn(
                PART,
                "whether writes are on disk before they are acknowledged cannot be seen from here",
                "set `sync_interval: always` in the jetstream block, unless it is a cluster of three or more",
            )
        )
    clustered = bool(info.get("cluster"))
    if clustered and settings.replicas < 3:
        found.append(
            warn(
                PART,
                f"a cluster, but settings ask for {settings.replicas} copy of each stream",
                "ALTERD_NATS__REPLICAS=3",
            )
        )
    return found


async def greeting(url: str) -> dict[str, Any]:
    """What the server says of itself. Raises OSError, TimeoutError, ValueError."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    async with asyncio.timeout(GREETING_TIMEOUT):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222, limit=1 << 20)
        try:
            line = (await reader.readline()).decode(errors="replace").strip()
        finally:
            writer.close()
    kind, _, rest = line.partition(" ")
    if kind != "INFO":
        raise ValueError("it is no NATS server")
    document = json.loads(rest)
    if not isinstance(document, dict):
        raise ValueError("its greeting cannot be read")
    return document


def new_enough(version: str) -> bool:
    """Whether ``2.15.1`` is a version that alterd runs on."""
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= OLDEST


async def check_streams(bus: Bus) -> list[Finding]:
    """Streams and buckets: services create them when they start."""
    missing: list[str] = []
    for stream in subjects.STREAMS:
        await _look(bus, stream, missing)
    for bucket in subjects.BUCKETS:
        await _look(bus, subjects.Stream(name=f"KV_{bucket.name}", subjects=()), missing)
    if missing:
        return [fail(PART, f"streams are missing: {', '.join(missing)}", "start any service: it creates them")]
    found = [ok(PART, f"all {len(subjects.STREAMS)} streams and {len(subjects.BUCKETS)} buckets are there")]
    if await bus.last_sequence(subjects.DEAD):
        found.append(
            warn(
                PART, "messages that could not be read lie in ALTERD_DEAD", "look there: `nats stream view ALTERD_DEAD`"
            )
        )
    return found


async def _look(bus: Bus, stream: subjects.Stream, missing: list[str]) -> None:
    try:
        await bus.last_sequence(stream)
    except AlterdError:
        missing.append(stream.name)


def _bare(url: str) -> str:
    """Without user and password."""
    return url.rpartition("@")[2] if "@" in url else url
