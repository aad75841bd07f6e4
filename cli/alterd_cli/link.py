"""The command line's connection to NATS."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from alterd_cli import home
from alterd_cli.options import invocation
from alterd_contracts import subjects
from alterd_contracts.errors import BusUnreachable, ServiceUnreachable
from alterd_runtime import logs
from alterd_runtime.bus import Bus, NatsSettings, Tail
from alterd_runtime.bus.tail import Message
from alterd_runtime.settings import Settings, load

PATIENCE = 2.0
"""Seconds for NATS to answer."""
READ_PATIENCE = 30.0
"""Seconds without a word while something is being read to its end."""


def settings() -> Settings:
    """This process's settings; NATS by flag, else environment or file, else the one that ``alterd up`` runs."""
    if invocation.nats:
        return load(overrides={"nats.servers": invocation.nats})
    found = load()
    if found.nats.servers == NatsSettings().servers and not os.environ.get("ALTERD_NATS__SERVERS"):
        local = home.local_nats()
        if local:
            return msgspec.structs.replace(found, nats=msgspec.structs.replace(found.nats, servers=(local,)))
    return found


def origin() -> str:
    """Where the address of NATS comes from, for hints."""
    if invocation.nats:
        return "--nats"
    if os.environ.get("ALTERD_NATS__SERVERS"):
        return "ALTERD_NATS__SERVERS"
    return str(home.nats_file()) if home.local_nats() else "the settings"


@contextlib.asynccontextmanager
async def open_bus(*, streams: bool = True) -> AsyncIterator[Bus]:
    """The connection. `streams`: alterd's own must be there.

    Raises `BusUnreachable`, `ServiceUnreachable` where no alterd has ever run on this NATS.
    """
    logs.configure("cli", str(os.getpid()), "debug" if os.environ.get("ALTERD_DEBUG") else "critical")
    nats = settings().nats
    async with contextlib.AsyncExitStack() as stack:
        try:
            bus = await stack.enter_async_context(Bus.open(nats, "cli", str(os.getpid()), patience=PATIENCE))
        except BusUnreachable as error:
            raise BusUnreachable(
                error.message, hint=f"start it with `alterd up`, or name another; this address is from {origin()}"
            ) from None
        if streams:
            await check_streams(bus)
        yield bus


async def check_streams(bus: Bus) -> None:
    """Raises `ServiceUnreachable` where alterd's streams are missing: reading them would wait for ever."""
    state = subjects.Stream(name=f"KV_{subjects.STATE.name}", subjects=())
    try:
        await bus.last_sequence(state)
    except BusUnreachable as error:
        raise ServiceUnreachable(
            f"NATS answers, but alterd's streams are not there ({error.message})",
            hint="services create them when they start: `alterd up`, or `alterd doctor` for more",
        ) from None


async def until_caught_up(tail: Tail) -> AsyncGenerator[Message, None]:
    """What the stream holds now. Raises `BusUnreachable` when NATS falls silent."""
    messages = aiter(tail)
    try:
        while True:
            try:
                async with asyncio.timeout(READ_PATIENCE):
                    message = await anext(messages)
            except TimeoutError:
                raise BusUnreachable(f"NATS has been silent for {READ_PATIENCE:g} s") from None
            if message is None:
                return
            yield message
    finally:
        await messages.aclose()  # type: ignore[attr-defined]


def caller() -> str:
    """Who gives the command, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
