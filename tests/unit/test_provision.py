"""Which server is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_runtime.provision.folders import cache_folder, state_folder
from alterd_runtime.provision.mysql_binary import on_path, usable
from alterd_runtime.provision.sandbox import Sandbox


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", True),
        ("mysqld  Ver 8.0.19 for Linux on x86_64 (MySQL Community Server - GPL)", True),
        ("mysqld  Ver 8.0.18 for Linux on x86_64 (MySQL Community Server - GPL)", False),
        ("mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))", False),
        ("mysqld  Ver 11.8.3-MariaDB-0+deb13u1 for debian-linux-gnu on x86_64", False),
        ("", False),
    ],
)
def test_a_new_enough_mysql_is_usable_and_mariadb_is_not(text: str, expected: bool) -> None:
    assert usable(text) is expected


def test_a_server_that_is_not_usable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "mysqld"
    fake.write_text("#!/bin/sh\necho 'mysqld  Ver 11.8.3-MariaDB'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    said: list[str] = []
    assert on_path(said.append) is None
    assert "MariaDB" in said[0]


def test_folders_are_the_user_s_and_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTERD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ALTERD_HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "cache"
    assert state_folder() == tmp_path / "home"


def test_a_sandbox_that_never_was_has_no_servers(tmp_path: Path) -> None:
    status = Sandbox(tmp_path / "none").status()
    assert (status.servers, status.running) == ((), False)
