"""What one statement says of itself and of its tables."""

from __future__ import annotations

from alterd_contracts.errors import InvalidName
from alterd_contracts.statement import Statement, StatementKind
from alterd_runtime.sql.words import Name, Words, needs_quotes


class Reading:
    """One statement while it is read: its words, and what is cut out of its text."""

    def __init__(self, words: Words, schemas: frozenset[str]) -> None:
        self.words = words
        self._schemas = schemas
        self._edits: list[tuple[int, int, str]] = []
        """Stretches of the text and what stands there instead."""
        self._others: list[str] = []

    def target(self, at: int, what: str = "table") -> Name:
        """The name of what the statement is about; a schema of the keyspace before it is cut out.

        Raises `InvalidName` for any other schema, `SyntaxRefused` where there is no name.
        """
        name = self.words.name(at, what)
        if name.schema and name.schema not in self._schemas:
            known = ", ".join(sorted(self._schemas)) or "none"
            raise InvalidName(
                f"{name.schema}.{name.table}: the schema {name.schema!r} does not belong to this keyspace",
                hint=f"leave the schema out; those of this keyspace: {known}",
                schema=name.schema,
                table=name.table,
            )
        if name.schema:
            self._cut(name)
        return name

    def other(self, at: int) -> None:
        """Notes a table that the statement refers to; a schema of the keyspace before it is cut out."""
        name = self.words.name(at)
        if name.schema in self._schemas:
            self._cut(name)
        self.note(name)

    def _cut(self, name: Name) -> None:
        """Behind a dot every word is a name; without the dot some have to be quoted."""
        start, end = name.qualifier
        word = self.words.tokens[name.end - 1]
        if needs_quotes(self.words.text[word.start : word.end + 1]):
            self._edits.append((start, word.end + 1, f"`{name.table}`"))
        else:
            self._edits.append((start, end, ""))

    def note(self, name: Name) -> None:
        """Notes a table or view of this keyspace that the statement refers to."""
        if not name.schema or name.schema in self._schemas:
            self._others.append(name.table)

    def text(self, start: int = 0, end: int | None = None) -> str:
        """The text of the words from `start` to before `end`, without what was cut out."""
        stop = len(self.words) if end is None else end
        if start >= stop:
            return ""
        position, last = self.words.tokens[start].start, self.words.tokens[stop - 1].end + 1
        pieces = []
        for first, after, instead in sorted(self._edits):
            if position <= first and after <= last:
                pieces += [self.words.text[position:first], instead]
                position = after
        return "".join([*pieces, self.words.text[position:last]])

    def statement(
        self, kind: StatementKind, name: Name, sql: str, *, if_exists: bool = False, if_not_exists: bool = False
    ) -> Statement:
        """The statement about `name` that runs `sql`; its number and original text come later."""
        return Statement(
            kind=kind,
            ddl_action=kind.ddl_action,
            is_view=kind.is_view,
            table=name.table,
            sql=sql,
            if_exists=if_exists,
            if_not_exists=if_not_exists,
            qualifier=name.schema,
            tables=tuple(dict.fromkeys(other for other in self._others if other != name.table)),
        )
