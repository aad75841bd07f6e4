"""Cases of a seed: the same ones each time, each a folder that `alterd-cases run` takes as well."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.stress.tables import ADDED, COLUMNS, KEYS, ColumnShape, KeyShape
from tests.stress.writes import Writes

Files = dict[str, str]
"""By name: what a case's folder holds."""


@st.composite
def cases(draw: st.DrawFn) -> Files:
    """One table, one ALTER, and what is written meanwhile."""
    key = draw(st.sampled_from(KEYS))
    shapes = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5))
    columns = [(f"c{number}", shape) for number, shape in enumerate(shapes)]
    unique = draw(st.booleans())
    writes = Writes(key, [(name, shape.value) for name, shape in columns])
    chosen = ["update", *draw(st.lists(st.sampled_from(sorted(writes.all())), min_size=1, max_size=6))]
    return {
        "create.sql": f"{_create(key, columns, unique)}\n{writes.fill()}\n",
        "alter.sql": f"ALTER TABLE t {', '.join(_clauses(draw, key, columns, unique))};\n",
        "dml.sql": writes.script(chosen),
        "order_by": "n\n",
    }


def _create(key: KeyShape, columns: list[tuple[str, ColumnShape]], unique: bool) -> str:
    parts = [*key.columns, "n INT NOT NULL", "u INT NOT NULL", *(f"{name} {shape.kind}" for name, shape in columns)]
    parts += [f"PRIMARY KEY ({', '.join(key.names)})", "KEY by_n (n)", f"{'UNIQUE ' * unique}KEY by_u (u)"]
    return f"CREATE TABLE t ({', '.join(parts)});"


def _clauses(draw: st.DrawFn, key: KeyShape, columns: list[tuple[str, ColumnShape]], unique: bool) -> list[str]:
    clauses: list[str] = []
    if draw(st.booleans()) and key.alters:
        clauses.append(draw(st.sampled_from(key.alters)))
    converts = any("CONVERT" in clause for clause in clauses)
    made_unique = draw(st.booleans())
    if made_unique and not unique:
        clauses.append("ADD UNIQUE KEY only_u (u)")
    for name, shape in columns:
        kind = draw(st.sampled_from(("keep", "keep", "modify", "modify", "rename", "drop", "again")))
        if converts and kind in ("modify", "rename"):
            continue
        new = draw(st.sampled_from(shape.types))
        match kind:
            case "modify":
                clauses.append(f"MODIFY {name} {new}{draw(st.sampled_from(('', ' FIRST', ' AFTER n')))}")
            case "rename":
                clauses.append(f"CHANGE {name} `new {name}` {new}")
            case "drop":
                clauses.append(f"DROP COLUMN {name}")
            case "again":
                clauses += [f"DROP COLUMN {name}", f"ADD COLUMN {name} {new}"]
    clauses += draw(st.lists(st.sampled_from(ADDED), max_size=2, unique=True))
    return clauses or ["FORCE"]


def draw_cases(number: int, count: int) -> list[Files]:
    """`count` cases of the seed `number`."""
    found: list[Files] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def collect(files: Files) -> None:
        found.append(files)

    collect()
    return found[:count]


def write_case(files: Files, folder: Path) -> Path:
    """The folder of the case, made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
