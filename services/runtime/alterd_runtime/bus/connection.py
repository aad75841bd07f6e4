"""The connection to NATS."""

from __future__ import annotations

import asyncio
import ssl

import msgspec
import nats
import nats.errors
import structlog
from nats.aio.client import Client

from alterd_contracts.errors import BusUnreachable
from alterd_runtime.bus.interruptible import ended
from alterd_runtime.metrics import NATS_RECONNECTS

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT = 2.0
"""Seconds for one server to answer."""


class NatsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where NATS is."""

    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    credentials_file: str = ""
    """A ``.creds`` file."""
    tls_ca_file: str = ""
    replicas: int = 1
    """Copies of each stream and bucket: 3 in a cluster."""


async def connect(settings: NatsSettings, name: str, *, patience: float | None = None) -> Client:
    """A connection that reconnects for ever.

    `patience`: seconds for the first connection, None waits for ever. Raises `BusUnreachable`.
    """

    async def on_error(error: Exception) -> None:
        # a denied publish shows only here: the caller just sees a timeout
        log.error("nats.error", error=str(error) or type(error).__name__)

    async def on_disconnect() -> None:
        if not (clients and clients[0].is_closed):  # we did it ourselves
            log.warning("nats.disconnected")

    async def on_reconnect() -> None:
        NATS_RECONNECTS.inc()
        log.info("nats.reconnected")

    clients: list[Client] = []
    tls = None
    if settings.tls_ca_file:
        tls = ssl.create_default_context(cafile=settings.tls_ca_file)

    async def attempt() -> Client:
        while True:
            try:
                client = await nats.connect(
                    servers=list(settings.servers),
                    name=name,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,
                    connect_timeout=int(CONNECT_TIMEOUT),
                    ping_interval=5,
                    max_outstanding_pings=2,
                    drain_timeout=5,
                    error_cb=on_error,
                    disconnected_cb=on_disconnect,
                    reconnected_cb=on_reconnect,
                    user_credentials=settings.credentials_file or None,
                    tls=tls,
                )
                clients.append(client)
                return client
            except (OSError, nats.errors.Error) as error:
                log.warning("nats.not_reachable", error=str(error) or type(error).__name__)
                await asyncio.sleep(0.25)

    try:
        async with asyncio.timeout(patience):
            return await attempt()
    except TimeoutError:
        raise BusUnreachable(
            f"NATS does not answer at {', '.join(settings.servers)}",
            hint="start it with `alterd up`, or set ALTERD_NATS__SERVERS",
        ) from None


async def close(client: Client) -> None:
    """Closes for good: nats-py's own close can break off, and can leave tasks behind that reconnect for ever."""
    try:
        await client.close()
    except (OSError, nats.errors.Error) as error:
        log.info("nats.closed_roughly", error=str(error) or type(error).__name__)
    finally:
        client._server_pool.clear()  # ends the tasks it no longer knows of, at their next try
    reconnecting = client._reconnection_task
    if reconnecting is not None:
        await ended(reconnecting)
