"""Settings: defaults < file < environment < flags; what is wrong is named with its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_contracts.errors import InvalidSetting
from alterd_runtime.settings import instance_name, load


def test_defaults_are_safe() -> None:
    settings = load(environ={})
    assert settings.nats.servers == ("nats://127.0.0.1:4222",)
    assert settings.http.host == "127.0.0.1"
    assert settings.scheduler.lease_ttl > 7.2, "a NATS cluster's change of leader took 7.2 s"


def test_each_origin_beats_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "alterd.toml"
    file.write_text("[executor]\nslots = 2\nlease_ttl = 3\nstale_warn = 4\n")
    environ = {"ALTERD_EXECUTOR__LEASE_TTL": "5", "ALTERD_EXECUTOR__STALE_WARN": "6"}
    executor = load(file=file, environ=environ, overrides={"executor.stale_warn": "7"}).executor
    assert (executor.slots, executor.lease_ttl, executor.stale_warn) == (2, 5, 7.0)


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "alterd.toml"
    file.write_text('[nats]\nservers = ["nats://a:1", "nats://b:2"]\n')
    assert load(environ={"ALTERD_CONFIG": str(file)}).nats.servers == ("nats://a:1", "nats://b:2")


def test_the_settings_of_the_online_strategy() -> None:
    vitess = load(environ={}).vitess
    assert (vitess.copy_sessions, vitess.apply_sessions) == (2, 2)
    assert (vitess.chunk_rows, vitess.max_chunk_rows) == (1000, 100_000)
    assert (vitess.chunk_time, vitess.checkpoint_interval, vitess.max_lag) == (0.1, 1.0, 5.0)
    environ = {"ALTERD_VITESS__CHUNK_TIME": "0.5", "ALTERD_VITESS__APPLY_SESSIONS": "8"}
    given = load(environ=environ, overrides={"vitess.max_lag": "1.5"}).vitess
    assert (given.chunk_time, given.apply_sessions, given.max_lag) == (0.5, 8, 1.5)


def test_a_list_in_the_environment_is_split_at_commas() -> None:
    environ = {"ALTERD_NATS__SERVERS": "nats://a:1, nats://b:2"}
    assert load(environ=environ).nats.servers == ("nats://a:1", "nats://b:2")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ALTERD_EXECUTOR__SLOTZ": "1"}, "ALTERD_EXECUTOR__SLOTZ"),
        ({"ALTERD_EXECUTOR__SLOTS": "many"}, r"ALTERD_EXECUTOR__SLOTS.*\$\.executor\.slots"),
        ({"ALTERD_CONFIG": "/nowhere/alterd.toml"}, "/nowhere/alterd.toml"),
        ({"ALTERD_VITESS__COPY_SESSIONS": "0"}, r"ALTERD_VITESS__COPY_SESSIONS.*>= 1.*\$\.vitess\.copy_sessions"),
        ({"ALTERD_VITESS__CHUNK_TIME": "0"}, r"ALTERD_VITESS__CHUNK_TIME.*> 0"),
        ({"ALTERD_VITESS__MAX_LAG": "-1"}, r"ALTERD_VITESS__MAX_LAG.*> 0"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words):
        load(environ=environ)


@pytest.mark.parametrize(("text", "words"), [("[executor", "no TOML"), ("[executor]\nslotz = 1", "slotz")])
def test_a_wrong_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "alterd.toml"
    file.write_text(text)
    with pytest.raises(InvalidSetting, match=words) as caught:
        load(file=file, environ={})
    assert "alterd.toml" in str(caught.value)


def test_variables_without_a_table_are_not_settings() -> None:
    load(environ={"ALTERD_FAILPOINT": "x", "ALTERD_HOME": "/tmp", "ALTERD_TEST_MYSQL_URL": "y"})


def test_an_instance_name_can_stand_in_a_subject() -> None:
    assert instance_name("host.example 1") == "host-example-1"
    assert instance_name("")
