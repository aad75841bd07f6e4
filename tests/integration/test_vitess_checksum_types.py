"""The comparison knows every type, and every conversion of the server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.checksum_support import attempted, completed, planting, shadow
from tests.support.shop import Shop

COLUMNS = {
    "f": ("FLOAT", "0.1"),
    "d": ("DOUBLE", "0.1e0 + 0.2e0"),
    "de": ("DECIMAL(20,6)", "1.5"),
    "bi": ("BIT(64)", "0xFFFFFFFFFFFFFFFF"),
    "y": ("YEAR", "2024"),
    "da": ("DATE", "'0000-00-00'"),
    "ti": ("TIME(3)", "'-00:00:01.5'"),
    "ts": ("TIMESTAMP(2) NULL", "'0000-00-00 00:00:00'"),
    "dt": ("DATETIME(6)", "'2024-00-00 00:00:00.123456'"),
    "e": ("ENUM('a','B','') CHARACTER SET latin1", "''"),
    "s": ("SET('a','b','c')", "'a,c'"),
    "j": ("JSON", """'{"a": 1.0, "ü": [null, "x"]}'"""),
    "g": ("GEOMETRY", "ST_GeomFromText('POINT(1 2)')"),
    "v": ("VECTOR(3)", "TO_VECTOR('[1,2,3]')"),
    "bl": ("BLOB", "x'ff00'"),
    "lt": ("LONGTEXT CHARACTER SET latin1", "'äö'"),
    "z": ("INT(5) UNSIGNED ZEROFILL", "42"),
    "w": ("VARCHAR(20) CHARACTER SET utf16", "'äö'"),
    "c": ("CHAR(10) COLLATE utf8mb4_general_ci", "'Straße '"),
    "b": ("BINARY(4)", "x'0a'"),
    "vb": ("VARBINARY(10)", "x'0a00'"),
}
"""Name: type, a value."""
OTHER = {
    "f": "CAST(f AS DOUBLE) + 1e-8",
    "d": "d + 1e-16",
    "de": "de + 0.000001",
    "bi": "bi - 1",
    "y": "2025",
    "da": "'2024-01-01'",
    "ti": "'00:00:01.5'",
    "ts": "'2024-01-01 00:00:00.01'",
    "dt": "'2024-00-00 00:00:00.123457'",
    "e": "0",
    "s": "'a,b,c'",
    "j": """'{"a": 1.5, "ü": [null, "x"]}'""",
    "g": "ST_GeomFromText('POINT(1 2)', 4326)",
    "v": "TO_VECTOR('[1,2,3.0001]')",
    "bl": "x'ff'",
    "lt": "'äo'",
    "z": "43",
    "w": "'äÖ'",
    "c": "'STRASSE'",
    "b": "x'0b'",
    "vb": "x'0a'",
}
"""Values near to the first one."""


@pytest.mark.parametrize("way", ["direct", "typed"])
@pytest.mark.parametrize("planted", [False, True], ids=["as it was copied", "planted"])
async def test_every_type_is_compared_to_its_last_bit(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, planted: bool
) -> None:
    """One row per column, in which this column alone is changed in the shadow; NULLs everywhere in one more."""
    described = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    names, values = ", ".join(COLUMNS), ", ".join(value for _, value in COLUMNS.values())
    shop.run(f"CREATE TABLE item (id INT NOT NULL PRIMARY KEY, x INT, {described}) DEFAULT CHARSET utf8mb4")

    def execute(*statements: str) -> None:
        with shop.session() as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = '', time_zone = 'SYSTEM'")
            for each in statements:
                cursor.execute(each)
                assert cursor.rowcount == 1 or each.startswith("SET"), each
            connection.commit()

    execute(
        *(f"INSERT INTO item (id, x, {names}) VALUES ({n}, 1, {values})" for n in range(len(COLUMNS))),
        "INSERT INTO item (id) VALUES (1000)",
    )

    def change() -> None:
        if planted:
            changes = enumerate(OTHER.items())
            execute(*(f"UPDATE {shadow(shop)} SET {name} = {other} WHERE id = {n}" for n, (name, other) in changes))

    planting(monkeypatch, change)
    alter = "ADD COLUMN more INT" if way == "direct" else "MODIFY x VARCHAR(20)"
    ending, _ = await attempted(shop, f"ALTER TABLE item {alter}", tmp_path)
    message = completed(ending)
    assert ("REPAIRED" in message) == planted
    if planted:
        assert f"REPAIRED {len(COLUMNS)} rows" in message


async def test_conversions_are_the_servers(shop: Shop, tmp_path: Path) -> None:
    shop.run(
        "CREATE TABLE item (id INT NOT NULL PRIMARY KEY, f FLOAT, t TIMESTAMP NULL, l VARCHAR(20) CHARACTER SET latin1,"
        " n VARCHAR(20), e ENUM('a','b'), j TEXT, d DATETIME(6), i INT)"
    )
    shop.run("INSERT INTO item VALUES (1, 0.1, '2024-10-27 00:30:00', 'äöß', '12', 'b', '[1.0,  2]', NOW(6), NULL)")
    shop.run("INSERT INTO item (id) VALUES (2)")
    sql = (
        "ALTER TABLE item MODIFY f DOUBLE, MODIFY t DATETIME, MODIFY l VARCHAR(30) CHARACTER SET utf8mb4,"
        " MODIFY n INT, MODIFY e ENUM('b','a','c'), MODIFY j JSON, MODIFY d DATETIME(1), MODIFY i DECIMAL(5,1)"
    )
    ending, _ = await attempted(shop, sql, tmp_path)
    assert "2 rows compared" in completed(ending)
    assert "REPAIRED" not in completed(ending)
