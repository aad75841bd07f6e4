"""The whole visit, part by part; what cannot be reached ends only its own part."""

from __future__ import annotations

from collections.abc import Awaitable

from alterd_cli import keyspaces
from alterd_cli.doctor import nats, services, shards, tools
from alterd_cli.doctor.findings import Finding, Level, fail, warn
from alterd_cli.link import open_bus, settings
from alterd_contracts.errors import AlterdError
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus


async def visit(keyspace: str = "") -> list[Finding]:
    """All findings. Raises `UnknownKeyspace`, where one was named."""
    configured = settings().nats
    found: list[Finding] = []
    for url in configured.servers:
        found += await nats.check_server(url, configured)
    if all(finding.level is Level.FAIL for finding in found):
        return [*found, *await tools.check_tools()]
    try:
        async with open_bus(streams=False) as bus:
            found += await _on_bus(bus, keyspace)
    except AlterdError as error:
        if error.exit_code == 3:  # the keyspace that was named
            raise
        found.append(fail(nats.PART, error.message, error.hint))
    return [*found, *await tools.check_tools()]


async def _on_bus(bus: Bus, keyspace: str) -> list[Finding]:
    streams = await nats.check_streams(bus)
    if any(finding.level is Level.FAIL for finding in streams):
        return streams
    known: list[Keyspace] = [await keyspaces.find(bus, keyspace)] if keyspace else await keyspaces.read_all(bus)
    found = [*streams, *await _bounded("services", services.check_services(bus, known))]
    if not known:
        found.append(warn("keyspaces", "none is known", "`alterd keyspace apply FILE.toml` makes one known"))
    for each in known:
        found += await _bounded(each.name, shards.check_keyspace(each))
    return found


async def _bounded(part: str, look: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await look
    except AlterdError as error:
        return [fail(part, error.message, error.hint)]
