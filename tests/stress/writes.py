"""What each session does in a round, to rows of its own: those whose number leaves its rest when divided."""

from __future__ import annotations

from collections.abc import Sequence

from tests.stress.tables import ROWS, SESSIONS, KeyShape

FAR = 3 * ROWS
"""Numbers that rows move to, and back from."""

FRESH = "<which>"
"""In a transaction: its place in the script."""


class Writes:
    """Statements over one table, whose data columns and values are given."""

    def __init__(self, key: KeyShape, columns: Sequence[tuple[str, str]]) -> None:
        self._key, self._columns = key, columns

    def all(self) -> dict[str, str]:
        """Transactions by their names; each inserts one row at most."""
        return {
            "update": f"UPDATE t SET {self._sets()} WHERE n = @n;",
            "move": f"UPDATE t SET {self._key_of(f'(n + {FAR})')}, n = n + {FAR} WHERE n = @n;",
            "move back": f"UPDATE t SET {self._key_of(f'(n - {FAR})')}, n = n - {FAR} WHERE n = @n + {FAR};",
            "exchange": self._exchange(),
            "delete": "DELETE FROM t WHERE n = @m;",
            "insert": f"{self._insert('@m')};",
            "delete and insert": f"BEGIN; DELETE FROM t WHERE n = @n; {self._insert('@n')}; COMMIT;",
            "large": f"UPDATE t SET {self._sets()} WHERE n % {SESSIONS} = @session - 1 AND @round % 20 = 3;",
            "roll back": f"BEGIN; UPDATE t SET {self._sets()} WHERE n = @n; DELETE FROM t WHERE n = @m; ROLLBACK;",
            "savepoint": f"BEGIN; UPDATE t SET {self._sets()} WHERE n = @n; SAVEPOINT here;"
            f" DELETE FROM t WHERE n = @m; {self._insert('@m')}; ROLLBACK TO here; COMMIT;",
            "upsert": f"{self._insert('@n')} ON DUPLICATE KEY UPDATE {self._columns[0][0]} = NULL;",
            "nulls": f"UPDATE t SET {', '.join(f'{name} = NULL' for name, _ in self._columns)} WHERE n = @m;",
        }

    def script(self, chosen: Sequence[str]) -> str:
        """A dml.sql."""
        choose = (
            f"SET @n = {SESSIONS} * FLOOR(RAND() * {ROWS // SESSIONS}) + @session - 1;\n"
            f"SET @m = {SESSIONS} * FLOOR(RAND() * {ROWS // SESSIONS}) + @session - 1;\n"
        )
        parts = (choose + _committed(self.all()[name].replace(FRESH, str(at))) for at, name in enumerate(chosen))
        return "\n".join(parts) + "\n"

    def fill(self) -> str:
        """The first rows."""
        numbers = f"WITH RECURSIVE c AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM c WHERE i < {ROWS - 1})"
        values = [value.format(n="i") for value in self._key.values]
        values += ["i", "i", *(value for _, value in self._columns)]
        return f"INSERT INTO t ({self._names()}) {numbers} SELECT {', '.join(values)} FROM c;"

    def _names(self) -> str:
        return ", ".join([*self._key.names, "n", "u", *(name for name, _ in self._columns)])

    def _sets(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self._columns)

    def _key_of(self, n: str) -> str:
        return ", ".join(
            f"{name} = {value.format(n=n)}" for name, value in zip(self._key.names, self._key.values, strict=True)
        )

    def _insert(self, n: str) -> str:
        values = [value.format(n=n) for value in self._key.values]
        # a value of u that nobody has or had
        values += [n, f"@session * 1000000 + @round * 20 + {FRESH}", *(value for _, value in self._columns)]
        return f"INSERT INTO t ({self._names()}) VALUES ({', '.join(values)})"

    def _exchange(self) -> str:
        both = "@u IS NOT NULL AND @v IS NOT NULL AND @u <> @v"
        return (
            "SET @u = NULL, @v = NULL;\n"
            "BEGIN; SELECT u INTO @u FROM t WHERE n = @n; SELECT u INTO @v FROM t WHERE n = @m;"
            f" UPDATE t SET u = -@session WHERE n = @n AND {both};"
            f" UPDATE t SET u = @u WHERE n = @m AND {both};"
            f" UPDATE t SET u = @v WHERE n = @n AND {both}; COMMIT;"
        )


def _committed(text: str) -> str:
    """A transaction of its own: what stands outside of one is one with all else of a round."""
    return text if "BEGIN;" in text else f"BEGIN; {text} COMMIT;"
