"""Which MySQL the sandbox and the tests run on: the first rung that this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from alterd_contracts.errors import ShardUnreachable
from alterd_runtime.provision import mysql_binary, mysql_container

URL_VARIABLE = "ALTERD_TEST_MYSQL_URL"


class Rung(StrEnum):
    """In the order of choice."""

    URL = "url"
    """A server of the user's, named in the environment. For tests only: a sandbox never touches it."""
    PATH = "path"
    """mysqld on the PATH."""
    DOCKER = "docker"
    """An image, run by testcontainers."""
    DEBIAN = "debian"
    """Unpacked from Debian's unstable suite."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What this machine has."""

    url: bool = False
    path: bool = False
    docker: bool = False
    debian: bool = False


def choose(found: Found, *, allow_url: bool) -> Rung:
    """The first rung there is. Raises `ShardUnreachable` when there is none.

    `allow_url`: whether a server of the user's may be taken.
    """
    present = {
        Rung.URL: found.url and allow_url,
        Rung.PATH: found.path,
        Rung.DOCKER: found.docker,
        Rung.DEBIAN: found.debian,
    }
    for rung in Rung:
        if present[rung]:
            return rung
    remedies = ["install MySQL 8.0.19 or later", "start Docker (and install testcontainers)"]
    if allow_url:
        remedies.insert(0, f"set {URL_VARIABLE}")
    raise ShardUnreachable(
        "there is no MySQL to run here: no mysqld on the PATH, no Docker that answers, and this is no Debian",
        hint="; or ".join(remedies),
    )


def look(*, allow_url: bool, environ: Mapping[str, str] | None = None) -> Found:
    """Looks around, no further than the first rung that may be taken; the later ones stay False."""
    environ = os.environ if environ is None else environ
    if allow_url and environ.get(URL_VARIABLE):
        return Found(url=True)
    if mysql_binary.on_path() is not None:
        return Found(path=True)
    if mysql_container.docker_answers():
        return Found(docker=True)
    return Found(debian=mysql_binary.cached() is not None or mysql_binary.can_unpack())
