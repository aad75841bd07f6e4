"""Names of the shadow's constraints."""

from __future__ import annotations

import re

import pytest

from alterd_runtime.sql import split_alter
from alterd_vitess.constraints import ConstraintNames

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
TAIL = "[0-9a-z]{25}"
DEFINITION = (
    "CREATE TABLE `t` (\n  `id` int NOT NULL,\n  `a` int DEFAULT NULL COMMENT 'CONSTRAINT `x` CHECK (1)',\n"
    "  PRIMARY KEY (`id`),\n"
    "  CONSTRAINT `mine` CHECK ((`a` > 0)),\n"
    "  CONSTRAINT `od``d_0123456789abcdefghijklmno` CHECK ((`a` > 1)),\n"
    "  CONSTRAINT `t_chk_1` CHECK ((`a` > 2)) /*!80016 NOT ENFORCED */,\n"
    "  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`a`) REFERENCES `p` (`id`)\n"
    ") ENGINE=InnoDB"
)


def altered(alter: str, definition: str = DEFINITION) -> str:
    names = ConstraintNames(UUID, "t")
    names.define(definition)
    return " | ".join(names.clause(clause) for clause in split_alter(f"ALTER TABLE t {alter}").clauses)


def test_a_definition_gets_names_of_its_own() -> None:
    found = re.findall(r"\n  CONSTRAINT `((?:[^`]|``)+)`", ConstraintNames(UUID, "t").define(DEFINITION))
    for name, begin in zip(found, ("mine_", "od``d_", "chk_1_", "ibfk_1_"), strict=True):
        assert re.fullmatch(re.escape(begin) + TAIL, name)
    assert "COMMENT 'CONSTRAINT `x` CHECK (1)'" in ConstraintNames(UUID, "t").define(DEFINITION)


def test_names_are_the_same_everywhere_and_other_ones_for_another_migration() -> None:
    once = ConstraintNames(UUID, "t").define(DEFINITION)
    assert ConstraintNames(UUID, "t").define(DEFINITION) == once
    assert ConstraintNames(UUID.replace("9", "8"), "t").define(DEFINITION) != once


def test_a_long_name_is_cut() -> None:
    definition = f"CREATE TABLE `t` (\n  `a` int,\n  CONSTRAINT `{'n' * 64}` CHECK ((`a` > 0))\n)"
    [name] = re.findall(r"CONSTRAINT `(.+?)`", ConstraintNames(UUID, "t").define(definition))
    assert re.fullmatch("n{38}_" + TAIL, name)


def test_equal_constraints_have_different_names() -> None:
    found = altered("ADD CHECK (a > 5), ADD CHECK (a > 5), ADD CONSTRAINT CHECK (a > 5)")
    names = re.findall(rf"`(chk_{TAIL})`", found)
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("alter", "pattern"),
    [
        ("DROP CHECK mine", rf"DROP CHECK `mine_{TAIL}`"),
        ("DROP CONSTRAINT `MINE`", rf"DROP CONSTRAINT `mine_{TAIL}`"),
        ("ALTER CHECK t_chk_1 ENFORCED", rf"ALTER CHECK `chk_1_{TAIL}` ENFORCED"),
        ("DROP CONSTRAINT another", "DROP CONSTRAINT another"),
        ("DROP FOREIGN KEY t_ibfk_1", rf"DROP FOREIGN KEY `ibfk_1_{TAIL}`"),
        ("ADD CHECK (a > 5)", rf"ADD CONSTRAINT `chk_{TAIL}` CHECK \(a > 5\)"),
        (
            "ADD CONSTRAINT `new one` CHECK (a > 5) NOT ENFORCED",
            rf"ADD CONSTRAINT `new one_{TAIL}` CHECK .* NOT ENFORCED",
        ),
        (
            "ADD COLUMN c INT CHECK (c > 0) DEFAULT 5",
            rf"ADD COLUMN c INT CONSTRAINT `chk_{TAIL}` CHECK \(c > 0\) DEFAULT 5",
        ),
        ("MODIFY a INT CONSTRAINT n CHECK (a > (SELECT 1))", rf"MODIFY a INT CONSTRAINT `n_{TAIL}` CHECK \(a > .*"),
        (
            "ADD (c INT CHECK (c > 0), d INT, CONSTRAINT e CHECK (d > c))",
            rf"ADD \(c INT CONSTRAINT `chk_{TAIL}` CHECK \(c > 0\), d INT, CONSTRAINT `e_{TAIL}` CHECK \(d > c\)\)",
        ),
        ("ADD FOREIGN KEY (a) REFERENCES p (id)", rf"ADD CONSTRAINT `fk_{TAIL}` FOREIGN KEY \(a\) REFERENCES p \(id\)"),
        ("ADD COLUMN `check` INT DEFAULT 'CHECK (1)'", r"ADD COLUMN `check` INT DEFAULT 'CHECK \(1\)'"),
        ("ADD COLUMN c INT, DROP CHECK mine", rf"ADD COLUMN c INT \| DROP CHECK `mine_{TAIL}`"),
    ],
)
def test_an_alter_speaks_of_the_new_names(alter: str, pattern: str) -> None:
    assert re.fullmatch(pattern, altered(alter)), altered(alter)
