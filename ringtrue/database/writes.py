"""Guarded writes: a greater version replaces, an equal one is a duplicate, a lesser one changes nothing.

Versions are compared column by column, as (run, revision) or (revision, evaluation), in the database itself and in the
same statement as the write. So records may come twice and in any order, and what is left is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


@dataclass(frozen=True, slots=True)
class Upsert:
    """Inserts a row, or replaces the one of the same primary key when it is older.

    Attributes:
        table: The table.
        values: Every column that is written.
        newer: The columns of the version, the weightiest first; none: the first row of a key stands for ever.
    """

    table: sa.Table
    values: Mapping[str, Any]
    newer: tuple[str, ...] = ()

    def run(self, connection: sa.Connection) -> bool:
        """Writes; whether anything changed."""
        statement = _upsert(connection.dialect.name, self.table, tuple(self.values), self.newer)
        return connection.execute(statement, dict(self.values)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Update:
    """Changes some columns of a row when it is older.

    Attributes:
        table: The table.
        key: The primary key's columns.
        values: The columns that are written, those of the version among them.
        newer: The columns of the version, the weightiest first.
    """

    table: sa.Table
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    newer: tuple[str, ...]

    def run(self, connection: sa.Connection) -> bool:
        """Writes; whether anything changed."""
        given = sa.tuple_(*(sa.literal(self.values[name]) for name in self.newer))
        matches = [self.table.c[name] == value for name, value in self.key.items()]
        statement = sa.update(self.table).where(*matches, _version(self.table.c, self.newer) < given)
        return connection.execute(statement.values(dict(self.values))).rowcount == 1


Write = Upsert | Update


@cache
def _upsert(
    dialect: str, table: sa.Table, names: tuple[str, ...], newer: tuple[str, ...]
) -> postgresql.Insert | sqlite.Insert:
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    if not newer:
        return insert.on_conflict_do_nothing(index_elements=keys)
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=keys,
        set_={name: new[name] for name in names if name not in keys},
        where=_version(table.c, newer) < _version(new, newer),
    )


def _version(columns: sa.sql.base.ReadOnlyColumnCollection[str, Any], names: tuple[str, ...]) -> sa.Tuple:
    return sa.tuple_(*(columns[name] for name in names))
