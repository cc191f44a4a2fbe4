"""What one migration makes of a schema and of the rows in it: added to, or taken away from?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

ROWS = 3
Row = tuple[Any, ...]


class ColumnShape(NamedTuple):
    """What whoever writes or reads a column relies on; not the collation, which only orders."""

    type: str
    is_nullable: bool
    has_default: bool


class TableShape(NamedTuple):
    """A table as programs see it: `unique` has its keys and unique indexes, `indexes` the others by name."""

    columns: Mapping[str, ColumnShape]
    unique: frozenset[tuple[str | None, ...]]
    checks: frozenset[str]
    indexes: Mapping[str, tuple[str | None, ...]]


Shape = Mapping[str, TableShape]


def shape_of(connection: sa.Connection) -> Shape:
    """Look at all tables."""
    inspector = sa.inspect(connection)
    return {name: _table(inspector, name) for name in inspector.get_table_names() if name != "alembic_version"}


def contractions(before: Shape, after: Shape) -> list[str]:
    """Tell what a program of before can't do any more, or never had to reckon with; empty: the schema has expanded."""
    found = [f"table {name} is gone" for name in before.keys() - after.keys()]
    for name in sorted(before.keys() & after.keys()):
        old, new = before[name], after[name]
        found += [f"column {name}.{column} is gone" for column in sorted(old.columns.keys() - new.columns.keys())]
        for column, shape in new.columns.items():
            was = old.columns.get(column)
            if was is None:
                if not (shape.is_nullable or shape.has_default):
                    found.append(f"column {name}.{column} is new, neither nullable nor with a default")
                continue
            if was.type != shape.type:
                found.append(f"column {name}.{column} was {was.type} and is {shape.type}")
            if was.is_nullable and not shape.is_nullable:
                found.append(f"column {name}.{column} may be NULL no more")
            if was.has_default and not shape.has_default and not shape.is_nullable:
                found.append(f"column {name}.{column} has a default no more")
        found += [f"{name} is to be unique by {key}" for key in sorted(map(str, new.unique - old.unique))]
        found += [f"{name} is to be such that {check}" for check in sorted(new.checks - old.checks)]
    return found


def new_indexes(before: Shape, after: Shape) -> list[str]:
    """Name the indexes that were built on tables which may have been big by then."""
    return [
        index
        for name in before.keys() & after.keys()
        for index in after[name].indexes.keys() - before[name].indexes.keys()
    ]


def fill(connection: sa.Connection, salt: str, columns: Mapping[str, Sequence[str]] | None = None) -> None:
    """Put some rows into each table; with `columns` only into these tables, and nothing but these columns is told."""
    for table in _tables(connection):
        if columns is not None and table.name not in columns:
            continue
        told = [column for column in table.columns if columns is None or column.name in columns[table.name]]
        rows = [{column.name: _value(column, number, salt) for column in told} for number in range(1, ROWS + 1)]
        connection.execute(sa.insert(table), rows)


def rows_of(connection: sa.Connection, columns: Mapping[str, Sequence[str]] | None = None) -> dict[str, set[Row]]:
    """Read all rows of all tables, or of these tables these columns."""
    return {
        table.name: {
            tuple(row)
            for row in connection.execute(
                sa.select(*(c for c in table.columns if columns is None or c.name in columns[table.name]))
            )
        }
        for table in _tables(connection)
        if columns is None or table.name in columns
    }


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """Reflect what is there: not what the newest program thinks is there."""
    present = sa.MetaData()
    present.reflect(connection)
    return [table for table in present.sorted_tables if table.name != "alembic_version"]


def _value(column: sa.Column[Any], number: int, salt: str) -> object:
    place = number + sum(salt.encode()) * 100  # apart from those of another salt
    if isinstance(column.type, sa.Boolean):
        return number % 2 == 0
    if isinstance(column.type, sa.Integer):
        return place
    if isinstance(column.type, sa.LargeBinary):
        return f"{column.name} {place}".encode()
    return f"{column.name} {salt} {number}"


def _table(inspector: sa.Inspector, name: str) -> TableShape:
    indexes = inspector.get_indexes(name)
    keys: list[tuple[str | None, ...]] = [tuple(inspector.get_pk_constraint(name)["constrained_columns"])]
    keys += [tuple(each["column_names"]) for each in inspector.get_unique_constraints(name)]
    keys += [tuple(each["column_names"]) for each in indexes if each["unique"]]
    return TableShape(
        {
            column["name"]: ColumnShape(
                type(column["type"]).__name__ + str(getattr(column["type"], "length", None) or ""),
                column["nullable"],
                column["default"] is not None,
            )
            for column in inspector.get_columns(name)
        },
        frozenset(keys),
        frozenset(str(each["sqltext"]) for each in inspector.get_check_constraints(name)),
        {str(each["name"]): tuple(each["column_names"]) for each in indexes},
    )
