"""Keyspaces from TOML, and where their secrets are."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alterd_contracts.errors import InvalidSetting
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.secrets import resolve_secret
from alterd_runtime.topology import load_keyspace

GOOD = """
[keyspace]
name = "commerce"
default_ddl_strategy = "mysql"
[[keyspace.shards]]
name = "-80"
schema = "commerce"
servers = ["127.0.0.1:13306", "[::1]:13307"]
user = "alterd"
password = { file = "/path" }
[[keyspace.shards]]
name = "80-"
schema = "commerce"
servers = ["db-2"]
user = "alterd"
password = { env = "NAME" }
"""


def test_a_keyspace() -> None:
    expected = Keyspace(
        name="commerce",
        default_ddl_strategy="mysql",
        shards=(
            Shard(
                name="-80",
                schema="commerce",
                servers=(ServerAddress("127.0.0.1", 13306), ServerAddress("::1", 13307)),
                user="alterd",
                password=SecretRef(file="/path"),
            ),
            Shard(
                name="80-",
                schema="commerce",
                servers=(ServerAddress("db-2", 3306),),
                user="alterd",
                password=SecretRef(env="NAME"),
            ),
        ),
    )
    assert load_keyspace(GOOD) == expected
    assert expected.shard("80-") is expected.shards[1]
    assert expected.shard("0") is None


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('password = { file = "/path" }', 'password = "geheim"', "keyspace.shards[0].password"),
        ('{ file = "/path" }', '{ value = "geheim" }', "keyspace.shards[0].password"),
        ('{ file = "/path" }', '{ file = "/path", env = "geheim" }', "keyspace.shards[0].password"),
        ('{ file = "/path" }', "{ file = 7 }", "keyspace.shards[0].password.file"),
        ('{ file = "/path" }', '{ file = "" }', "keyspace.shards[0].password"),
        ('"db-2"', '"root:geheim@db-2:3306"', "keyspace.shards[1].servers[0]"),
        ('"db-2"', '"db-2:0"', "keyspace.shards[1].servers[0]"),
        ('"db-2"', "7", "keyspace.shards[1].servers[0]"),
        ('["db-2"]', "[]", "keyspace.shards[1].servers"),
        ('["db-2"]', '["db-2", "db-2:3306"]', "keyspace.shards[1].servers"),
        ('["db-2"]', '["127.0.0.1:13306"]', "keyspace.shards[1].schema"),
        ('name = "80-"', 'name = "-80"', "keyspace.shards[1].name"),
        ('name = "80-"', 'name = "80.x"', "keyspace.shards[1].name"),
        ('name = "commerce"', 'name = "Commerce"', "keyspace.name"),
        ('name = "commerce"', "", "keyspace"),
        ('user = "alterd"', 'user = ""', "keyspace.shards[0].user"),
        ('user = "alterd"', 'user = "alterd"\npasswd = "geheim"', "keyspace.shards[0]"),
        ('schema = "commerce"', 'schema = "mysql"', "keyspace.shards[0].schema"),
        ('schema = "commerce"', 'schema = "_alterd_scratch_1"', "keyspace.shards[0].schema"),
        ('"mysql"', '"My SQL"', "keyspace.default_ddl_strategy"),
        ("[keyspace]", "[other]\n[keyspace]", "other"),
    ],
)
def test_errors_name_the_path_and_no_secret(old: str, new: str, path: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidSetting) as caught:
        load_keyspace(GOOD.replace(old, new, 1))
    assert caught.value.where == {"setting": path}
    assert path in caught.value.message
    assert "geheim" not in str(caught.value.info())


@pytest.mark.parametrize("text", ["", "keyspace = 7", "[keyspace]\nname = 'a'", "password = geheim", "[[keyspace]]"])
def test_no_topology_at_all(text: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        load_keyspace(text)
    assert "geheim" not in str(caught.value.info())


@pytest.mark.parametrize("text", ["db", "db:3306", "10.0.0.1:1", "[::1]:3306", "[fe80::1%eth0]:65535", "a_b.c-d:80"])
def test_addresses(text: str) -> None:
    assert str(ServerAddress.parse(text)) in (text, f"{text}:3306")


@pytest.mark.parametrize(
    "text", ["", ":3306", "db:", "db:x", "db:65536", "::1", "[::1", "[db]:3306", "a b:1", "-db", "db:٣", "[::1]x:3306"]
)
def test_malformed_addresses(text: str) -> None:
    with pytest.raises(InvalidSetting):
        ServerAddress.parse(text)


def test_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_TEST_SECRET", "geheim")
    assert resolve_secret(SecretRef(env="ALTERD_TEST_SECRET")) == "geheim"
    monkeypatch.delenv("ALTERD_TEST_SECRET")
    with pytest.raises(InvalidSetting, match="ALTERD_TEST_SECRET is not set"):
        resolve_secret(SecretRef(env="ALTERD_TEST_SECRET"))


def test_secrets_from_files(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with pytest.raises(InvalidSetting, match="No such file"):
        resolve_secret(SecretRef(file=str(path)))
    path.write_text(" geheim \n")
    path.chmod(0o600)
    with capture_logs() as logs:
        assert resolve_secret(SecretRef(file=str(path))) == " geheim "
    assert not logs
    path.chmod(0o644)
    with capture_logs() as logs:
        resolve_secret(SecretRef(file=str(path)))
    assert [line["event"] for line in logs] == ["secret.world_readable"]
    assert "geheim" not in str(logs)
    path.write_bytes(b"\xff geheim")
    with pytest.raises(InvalidSetting) as caught:
        resolve_secret(SecretRef(file=str(path)))
    assert "geheim" not in str(caught.value.info())
    path.write_text("\n")
    with pytest.raises(InvalidSetting, match="is empty"):
        resolve_secret(SecretRef(file=str(path)))
