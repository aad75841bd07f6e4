"""Which MySQL is taken, given what a machine has."""

from __future__ import annotations

import itertools

import pytest

from alterd_contracts.errors import InvalidSetting, ShardUnreachable
from alterd_contracts.topology import ServerAddress
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.ladder import URL_VARIABLE, Found, Rung, choose, look
from alterd_runtime.provision.mysql_binary import parse_version

EVERYTHING = [Found(url=u, path=p, docker=k, debian=d) for u, p, k, d in itertools.product((False, True), repeat=4)]


@pytest.mark.parametrize("found", EVERYTHING)
@pytest.mark.parametrize("allow_url", [True, False])
def test_the_first_rung_there_is(found: Found, allow_url: bool) -> None:
    present = {rung for rung in Rung if getattr(found, rung.value)} - (set() if allow_url else {Rung.URL})
    if not present:
        with pytest.raises(ShardUnreachable) as caught:
            choose(found, allow_url=allow_url)
        assert (URL_VARIABLE in caught.value.hint) is allow_url
        return
    order = [Rung.URL, Rung.PATH, Rung.DOCKER, Rung.DEBIAN]
    assert choose(found, allow_url=allow_url) is min(present, key=order.index)


def test_a_server_of_the_user_s_is_not_even_looked_for_where_it_must_not_be_touched() -> None:
    environ = {URL_VARIABLE: "mysql://root@db.example"}
    assert look(allow_url=True, environ=environ) == Found(url=True)
    assert not look(allow_url=False, environ=environ).url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/usr/sbin/mysqld  Ver 8.0.35-27 for Linux on x86_64 (Percona Server (GPL), Release 27)", (8, 0, 35)),
        ("mysqld  Ver 8.4.0 for macos14 on arm64 (Homebrew)", (8, 4, 0)),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", None),
        ("sh: mysqld: not found", None),
    ],
)
def test_versions(text: str, expected: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == expected


def test_an_endpoint_is_a_url_and_hides_its_password() -> None:
    endpoint = Endpoint.of_url("mysql://al%40terd:p%2Fw%3A@[::1]:3307")
    assert endpoint.address == ServerAddress("::1", 3307)
    assert (endpoint.credentials.user, endpoint.credentials.password) == ("al@terd", "p/w:")
    assert Endpoint.of_url(endpoint.url) == endpoint
    assert "p/w" not in repr(endpoint)
    assert Endpoint.of_url("mysql://root@localhost").address.port == 3306


@pytest.mark.parametrize(
    "url", ["", "localhost:3306", "http://u:secret@h", "mysql://:secret@h", "mysql://u:secret@h:x"]
)
def test_a_malformed_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Endpoint.of_url(url)
    assert "secret" not in f"{caught.value.message} {caught.value.hint} {caught.value.where}"
