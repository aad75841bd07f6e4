"""The key that source and shadow are read by. Pure.

A source key is unique, without NULLs, whole, of types that a key may have, and its columns live on in the shadow with
values that stay apart. The shadow's rows are found by the same columns, which need an index there; where there is none,
the columns of a unique key of the shadow join the source's key: the binlog has their values before and after a change.

Source of the order of choice: Vitess, "Analysis rules"; before it come keys that need no further column and keys that
the ALTER leaves as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_vitess.conversions import INTEGERS, TEXTS, is_same, stays_apart
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.keys import SUPPORTED, Key, KeyColumn

WIDTHS = ("tinyint", "smallint", "mediumint", "int", "bigint")
NOT_FOUND = "the new table has no index to find its rows by, or one on columns that may be NULL now"


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A key, as both tables know it."""

    key: Key
    """Of the source."""
    target: Key
    """The same columns in the shadow: under its names; of its types unless `same`."""
    same: bool
    """The columns mean the same in both, in the same order."""
    located_by: tuple[int, ...]
    """Positions of the columns of the shadow's index, in its order."""


def choose_key(source: Table, shadow: Table, pairs: Mapping[str, str]) -> Chosen:
    """`pairs`: columns of the source and the shadow's names for them. Raises `CannotRunOnline`: what each key lacks."""
    names = {**kept_generated(source, shadow, pairs), **pairs}
    reasons: list[str] = []
    found: list[Chosen] = []
    for index in sorted((each for each in source.indexes if each.unique), key=lambda each: _rank(source, each)):
        why = _unusable(source, index) or _lost(source, shadow, index.columns, names)
        if not why:
            chosen = _located(source, shadow, index, names)
            why = "" if chosen else NOT_FOUND
            found += [chosen] if chosen else []
        if why:
            reasons.append(f"{index.name}: {why}")
    if found:
        return min(found, key=lambda each: (each.key.more > 0, not each.same))  # the first one of the best
    reason = "; ".join(reasons) or "there is no unique key"
    raise CannotRunOnline(
        f"{source.name} has no key that an online change can go by ({reason})",
        hint="it needs a primary or unique key, NOT NULL and of whole columns other than FLOAT and DOUBLE, whose "
        "columns the ALTER keeps; otherwise use the strategy mysql",
        table=source.name,
    )


def kept_generated(source: Table, shadow: Table, pairs: Mapping[str, str]) -> dict[str, str]:
    """Generated columns that have the same values in both: none where a column they may be made of is converted."""
    for ours, theirs in pairs.items():
        old, new = source.column(ours), shadow.column(theirs)
        if old is None or new is None or ours.lower() != theirs.lower() or not _identical(old, new):
            return {}
    kept = {}
    for column in source.columns:
        new = shadow.column(column.name)
        if column.generated and new is not None and new.expression == column.expression and _identical(column, new):
            kept[column.name] = new.name
    return kept


def _identical(old: Column, new: Column) -> bool:
    return (old.column_type, old.collation) == (new.column_type, new.collation)


def _rank(source: Table, index: Index) -> tuple[bool, bool, bool, int, int, str]:
    first = source.column(index.columns[0])
    kind = first.data_type if first is not None else ""
    width = WIDTHS.index(kind) if kind in INTEGERS else len(WIDTHS)
    return index.name != "PRIMARY", kind not in INTEGERS, kind in TEXTS, width, len(index.columns), index.name


def _unusable(table: Table, index: Index) -> str:
    """Why rows cannot be found by this index; empty for nothing."""
    lacks = (
        (index.has_expression, "is on an expression"),
        (index.nullable, "may hold NULL"),
        (index.prefix, "indexes only a part of a column"),
        (not index.visible, "is invisible"),
    )
    for lacking, why in lacks:
        if lacking:
            return why
    for name in index.columns:
        column = table.column(name)
        if column is None or column.data_type not in SUPPORTED:
            return f"{name} is {column.data_type if column else 'hidden'}"
    return ""


def _lost(source: Table, shadow: Table, columns: Sequence[str], names: Mapping[str, str]) -> str:
    """Why the shadow's rows cannot be found by the same values; empty for nothing."""
    for ours in columns:
        old, new = source.column(ours), shadow.column(names.get(ours, ""))
        if old is None or new is None:
            generated = old is not None and old.generated
            return f"{ours} is {'generated from columns that change' if generated else 'dropped'}"
        if not stays_apart(old, new) or new.data_type not in SUPPORTED:
            return f"different values of {ours} may become one as {old.column_type} changes to {new.column_type}"
    return ""


def _located(source: Table, shadow: Table, index: Index, names: Mapping[str, str]) -> Chosen | None:
    """With the shadow's index, and the further columns that this one may need."""
    theirs = [names[name].lower() for name in index.columns]
    # where values are converted, only a unique index tells that two rows have become one
    alike = _chosen(source, shadow, index, names, (), ()).same
    for each in _plain_indexes(shadow):
        leading = _lower(each.columns[: len(theirs)])
        if set(leading) == set(theirs) and (alike or each.unique):
            return _chosen(source, shadow, index, names, (), leading)
        if each.unique and set(_lower(each.columns)) <= set(theirs):
            return _chosen(source, shadow, index, names, (), _lower(each.columns))
    ours = {target.lower(): name for name, target in names.items()}
    for each in _plain_indexes(shadow):
        columns = _lower(each.columns)
        further = [ours[name] for name in columns if name in ours and name not in theirs]
        complete = all(name in ours for name in columns)
        if each.unique and not each.nullable and complete and not _further_lost(source, shadow, further, names):
            return _chosen(source, shadow, index, names, further, columns)
    return None


def _further_lost(source: Table, shadow: Table, further: Sequence[str], names: Mapping[str, str]) -> bool:
    columns = [source.column(name) for name in further]
    # a NULL that is gone at the commit is in the binlog all the same
    usable = all(each is not None and each.data_type in SUPPORTED and not each.nullable for each in columns)
    return not usable or bool(_lost(source, shadow, further, names))


def _plain_indexes(table: Table) -> Iterator[Index]:
    """Of whole columns, the primary key first."""
    for each in sorted(table.indexes, key=lambda index: (index.name != "PRIMARY", not index.unique)):
        if each.visible and not each.has_expression and not each.prefix and each.type == "BTREE":
            yield each


def _chosen(
    source: Table,
    shadow: Table,
    index: Index,
    names: Mapping[str, str],
    further: Sequence[str],
    located_by: Sequence[str],
) -> Chosen:
    pairs = []
    for name in (*index.columns, *further):
        old, new = source.column(name), shadow.column(names[name])
        assert old is not None
        assert new is not None
        pairs.append((old, new))
    same = all(is_same(old, new) for old, new in pairs)
    targets = tuple(
        msgspec.structs.replace(_key_column(old), name=new.name) if same else _key_column(new) for old, new in pairs
    )
    order = [new.name.lower() for _, new in pairs]
    return Chosen(
        key=Key(name=index.name, columns=tuple(_key_column(old) for old, _ in pairs), more=len(further)),
        target=Key(name=index.name, columns=targets, more=len(further)),
        same=same,
        located_by=tuple(order.index(name) for name in located_by),
    )


def _key_column(column: Column) -> KeyColumn:
    return KeyColumn(
        name=column.name,
        data_type=column.data_type,
        unsigned=column.unsigned,
        length=column.length,
        precision=column.precision,
        scale=column.scale,
        fsp=column.fsp,
        charset=column.charset,
        collation=column.collation,
        declared=column.declared,
        labels=column.labels,
    )


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)
