"""Foreign keys as text: taken out of a definition, written anew, refused by clause."""

from __future__ import annotations

import pytest

from alterd_runtime.sql import split_alter
from alterd_vitess.foreign_keys import ForeignKey, clause_obstacles, without_foreign_keys

WITHOUT = """CREATE TABLE `t` (
  `id` int NOT NULL,
  `a` int DEFAULT NULL COMMENT 'CONSTRAINT `x` FOREIGN KEY (`a`),',
  PRIMARY KEY (`id`),
  KEY `fk``1` (`a`){more}
) ENGINE=InnoDB"""
KEYS = """,
  CONSTRAINT `fk``1` FOREIGN KEY (`a`) REFERENCES `p, q` (`id`) ON DELETE CASCADE,
  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`a`) REFERENCES `other`.`p` (`id`)"""
CHECK = """,
  CONSTRAINT `c` CHECK ((`a` > 0))"""


def key(**fields: object) -> ForeignKey:
    values: dict[str, object] = {
        "name": "fk",
        "child": ("s", "t"),
        "parent": ("s", "p"),
        "columns": ("a", "b"),
        "parent_columns": ("x", "y"),
        "on_delete": "NO ACTION",
        "on_update": "NO ACTION",
    }
    return ForeignKey(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("rest", ["", CHECK])
def test_a_definition_without_its_foreign_keys(rest: str) -> None:
    assert without_foreign_keys(WITHOUT.format(more=KEYS + rest)) == WITHOUT.format(more=rest)
    assert without_foreign_keys(WITHOUT.format(more=rest)) == WITHOUT.format(more=rest)


def test_a_key_is_written_as_it_was() -> None:
    shared = "ADD CONSTRAINT `new` FOREIGN KEY (`a`, `b`) REFERENCES"
    assert key().added("new", ("s", "shadow")) == f"{shared} `s`.`shadow` (`x`, `y`)"
    assert key().added("new", ("", "shadow")) == f"{shared} `shadow` (`x`, `y`)"
    ruled = key(on_delete="SET NULL", on_update="RESTRICT").added("new", None)
    assert ruled == f"{shared} `s`.`p` (`x`, `y`) ON DELETE SET NULL ON UPDATE RESTRICT"


@pytest.mark.parametrize(
    ("clause", "refused"),
    [
        ("ADD COLUMN c INT", 0),
        ("ADD CONSTRAINT n FOREIGN KEY (a) REFERENCES p (id)", 1),
        ("DROP FOREIGN KEY fk", 1),
        ("DROP FOREIGN KEY unknown, ADD FOREIGN KEY (a) REFERENCES p (id)", 2),
        ("DROP CONSTRAINT FK", 1),
        ("DROP CONSTRAINT a_check", 0),
    ],
)
def test_clauses_that_are_refused(clause: str, refused: int) -> None:
    found = clause_obstacles("t", split_alter(f"ALTER TABLE t {clause}").clauses, [key()])
    assert len(found) == refused
    assert all(error.hint for error in found)
