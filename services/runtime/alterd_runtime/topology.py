"""Keyspaces from TOML.

::

    [keyspace]
    name = "commerce"
    default_ddl_strategy = "mysql"
    [[keyspace.shards]]
    name = "0"
    schema = "commerce"
    servers = ["127.0.0.1:13306", "127.0.0.1:13307"]
    user = "alterd"
    password = { file = "/path" }   # or { env = "NAME" }
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from alterd_contracts.errors import AlterdError, InvalidSetting
from alterd_contracts.names import SCRATCH_PREFIX, SIDECAR_SCHEMA, STRATEGY, check_keyspace, check_shard
from alterd_contracts.topology import Keyspace, ServerAddress, Shard

SYSTEM_SCHEMAS = frozenset({"mysql", "sys", "information_schema", "performance_schema", SIDECAR_SCHEMA})


def load_keyspace(toml_text: str) -> Keyspace:
    """The keyspace that `toml_text` describes. Raises `InvalidSetting` that names the path, never a secret."""
    try:
        document = tomllib.loads(toml_text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"the topology is no TOML: {error}") from None
    raw = document.pop("keyspace", None)
    if not isinstance(raw, dict):
        raise _wrong("keyspace", "is missing", hint="begin with [keyspace]")
    if document:
        raise _wrong(next(iter(document)), "is unknown", hint="only [keyspace] stands at the top")
    shards = raw.get("shards")
    if not isinstance(shards, list) or not shards:
        raise _wrong("keyspace.shards", "is missing or empty", hint="write at least one [[keyspace.shards]]")
    for number, shard in enumerate(shards):
        _prepare(shard, f"keyspace.shards[{number}]")
    try:
        keyspace = msgspec.convert(raw, Keyspace)
    except msgspec.ValidationError as error:
        # msgspec's texts name fields and types, no values
        why, _, path = str(error).partition(" - at `$")
        raise _wrong("keyspace" + path.rstrip("`"), f"is wrong: {why}") from None
    _check(keyspace)
    return keyspace


def _prepare(shard: Any, path: str) -> None:
    """Addresses as structs; refuses what must not reach an error text."""
    if not isinstance(shard, dict):
        raise _wrong(path, "must be a table", hint="write [[keyspace.shards]]")
    password = shard.get("password")
    if not isinstance(password, dict) or len(password) != 1 or password.keys() - {"env", "file"}:
        raise _wrong(
            f"{path}.password",
            "must say where the password is, not what it is" if password is not None else "is missing",
            hint='write { env = "NAME" } or { file = "/path" }',
        )
    servers = shard.get("servers")
    if not isinstance(servers, list) or not servers:
        raise _wrong(f"{path}.servers", "is missing or empty", hint='write ["host:port", …]')
    for number, server in enumerate(servers):
        if not isinstance(server, str):
            raise _wrong(f"{path}.servers[{number}]", "must be text", hint='write "host:port"')
        with _at(f"{path}.servers[{number}]"):
            servers[number] = msgspec.to_builtins(ServerAddress.parse(server))


def _check(keyspace: Keyspace) -> None:
    with _at("keyspace.name"):
        check_keyspace(keyspace.name)
    strategy = keyspace.default_ddl_strategy.split(" ", 1)[0]
    if not STRATEGY.fullmatch(strategy):
        raise _wrong("keyspace.default_ddl_strategy", f"is malformed: {strategy[:80]!r}")
    names: set[str] = set()
    places: dict[tuple[ServerAddress, str], str] = {}
    for number, shard in enumerate(keyspace.shards):
        path = f"keyspace.shards[{number}]"
        _check_shard(shard, path)
        if shard.name in names:
            raise _wrong(f"{path}.name", f"occurs twice: {shard.name!r}")
        names.add(shard.name)
        for server in shard.servers:
            other = places.setdefault((server, shard.schema), shard.name)
            if other != shard.name:
                raise _wrong(
                    f"{path}.schema",
                    f"is already that of shard {other!r} on {server}",
                    hint="each shard has a schema of its own",
                )


def _check_shard(shard: Shard, path: str) -> None:
    with _at(f"{path}.name"):
        check_shard(shard.name)
    if len(set(shard.servers)) != len(shard.servers):
        raise _wrong(f"{path}.servers", "names a server twice")
    if not 0 < len(shard.schema) <= 64 or "\0" in shard.schema or shard.schema != shard.schema.strip():
        raise _wrong(f"{path}.schema", "cannot be a schema's name")
    if shard.schema.lower() in SYSTEM_SCHEMAS or shard.schema.startswith(SCRATCH_PREFIX):
        raise _wrong(f"{path}.schema", f"is reserved: {shard.schema!r}")
    if not shard.user:
        raise _wrong(f"{path}.user", "is empty")
    if not (shard.password.env or shard.password.file):
        raise _wrong(f"{path}.password", "names nothing", hint='write { env = "NAME" } or { file = "/path" }')


@contextmanager
def _at(path: str) -> Iterator[None]:
    """An error from within as one that names the path."""
    try:
        yield
    except AlterdError as error:
        raise _wrong(path, f"is wrong: {error.message}", hint=error.hint) from None


def _wrong(path: str, why: str, hint: str = "") -> InvalidSetting:
    return InvalidSetting(f"{path} {why}", hint=hint, setting=path)
