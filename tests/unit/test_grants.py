"""What an account may do, read from SHOW GRANTS."""

from __future__ import annotations

import pytest

from alterd_cli.doctor.findings import Level
from alterd_cli.doctor.shards import judge_account
from alterd_contracts.topology import SecretRef, ServerAddress, Shard
from alterd_runtime.mysql.grants import NEEDS, Grants, Need, Part, Place, errors, needs, statements

ACCOUNT = "'alterd'@'%'"
SHARD = Shard(name="0", schema="my_shop", servers=(ServerAddress("db1"),), user="alterd", password=SecretRef(env="P"))
ALL = [
    "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SUPER,"
    " CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW,"
    " CREATE USER, EVENT, TRIGGER ON *.* TO `alterd`@`%` WITH GRANT OPTION",
    "GRANT SYSTEM_VARIABLES_ADMIN,XA_RECOVER_ADMIN ON *.* TO `alterd`@`%` WITH GRANT OPTION",
]
OLD = ["GRANT ALL PRIVILEGES ON *.* TO `alterd`@`%` WITH GRANT OPTION"]
"""As versions before 8.0.16 show it."""


def shown(found: list[Need]) -> list[str]:
    """As SHOW GRANTS shows what our own statements grant."""
    return [sql.replace(ACCOUNT, "`alterd`@`%`").rstrip(";") for sql in statements(found, SHARD.schema, ACCOUNT)]


def lacking(lines: list[str], schema: str = SHARD.schema) -> set[tuple[str, str]]:
    return {(str(need.place), need.privilege) for need in Grants(lines).lacking(needs(views=True), schema)}


@pytest.mark.parametrize("lines", [ALL, OLD, shown(needs(views=True))])
def test_privileges_that_suffice(lines: list[str]) -> None:
    assert lacking(lines) == set()
    assert Grants(lines).account == ACCOUNT


@pytest.mark.parametrize("absent", needs(views=True), ids=lambda need: f"{need.place}-{need.privilege}")
def test_each_privilege_that_lacks_is_found(absent: Need) -> None:
    rest = [need for need in needs(views=True) if need is not absent]
    assert lacking(shown(rest)) == {(str(absent.place), absent.privilege)}
    [error] = errors([absent], SHARD.schema, ACCOUNT)
    assert absent.privilege in error.message
    assert ACCOUNT in error.message
    assert error.hint == statements([absent], SHARD.schema, ACCOUNT)[0]


def test_wildcards_of_a_grant() -> None:
    lines = shown(needs(views=True))
    everywhere = lacking(lines, "myxshop")
    assert (str(Place.SCHEMA), "ALTER") in everywhere, "an escaped _ is no wildcard"
    assert lacking([line.replace(r"my\_shop", "my_shop") for line in lines], "myxshop") == set()
    assert r"`\_alterd\_scratch\_%`.*" in "".join(lines)


def test_what_counts_for_another() -> None:
    server = "GRANT SUPER, SYSTEM_VARIABLES_ADMIN ON *.* TO `a`@`b`"
    held = Grants([server])
    assert held.has("CONNECTION_ADMIN", "*")
    assert held.has("SESSION_VARIABLES_ADMIN", "*")
    assert not held.has("XA_RECOVER_ADMIN", "*")
    assert not held.has("SELECT", "my_shop")
    assert not held.has("GRANT OPTION", "*")
    assert not Grants(["GRANT SELECT ON `my_shop`.`t` TO `a`@`b`"]).has("SELECT", "my_shop"), "of one table"
    assert not Grants(["GRANT ALL PRIVILEGES ON `my_shop`.* TO `a`@`b`"]).has("PROCESS", "*")


def test_partial_revokes_take_away() -> None:
    lines = [*ALL, "REVOKE DELETE, LOCK TABLES ON `my_shop`.* FROM `alterd`@`%`"]
    assert lacking(lines) == {(str(Place.SCHEMA), "DELETE"), (str(Place.SCHEMA), "LOCK TABLES")}


def test_needs_by_part_and_strategy() -> None:
    assert {need.place for need in needs(part=Part.THROTTLER)} == {Place.SIDECAR, Place.PERFORMANCE}
    assert [need.place for need in needs(part=Part.DOCTOR)] == [Place.PERFORMANCE]
    plain, online = needs(strategy="mysql"), needs(strategy="vitess")
    assert "REPLICATION SLAVE" in {need.privilege for need in online}
    assert "REPLICATION SLAVE" not in {need.privilege for need in plain}
    assert not [need for need in plain if need.only]
    assert {need.only for need in needs(views=True)} == {"", "views"}
    assert needs(seldom=True) == list(NEEDS)


def test_the_doctor_names_privileges_with_the_grant_that_mends_it() -> None:
    held = Grants(shown([need for need in needs(views=True) if need.place is not Place.SIDECAR]))
    found = judge_account("shop/0", SHARD, held)
    [failed] = [each for each in found if each.level is Level.FAIL]
    assert "has no SELECT, INSERT, UPDATE, DELETE, CREATE, LOCK TABLES on _alterd.*" in failed.what
    assert failed.mend.startswith(
        r"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, LOCK TABLES ON `\_alterd`.* TO 'alterd'"
    )
    well = judge_account("shop/0", SHARD, Grants(shown(needs(views=True))))
    assert {each.level for each in well} == {Level.OK}
    assert any("no CONNECTION_ADMIN" in each.what for each in well)
