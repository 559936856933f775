"""Statements on the block tables: many rows at once, the same on both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from apps.history.models import (
    DayAggregate,
    HourAggregate,
    HourMinutes,
    HourRaw,
    MinuteBlock,
)

WRITERS_LOCK = 4_242_001
"""PostgreSQL's advisory lock of those who write history."""

IDS_AT_ONCE = 5000

COLUMNS: dict[type[Model], tuple[str, ...]] = {
    MinuteBlock: ("series_id", "minute", "count", "aggregates", "raw"),
    HourRaw: ("series_id", "hour", "block"),
    HourMinutes: ("series_id", "hour", "block"),
    HourAggregate: ("series_id", "hour", "count", "aggregates"),
    DayAggregate: ("series_id", "day", "count", "aggregates"),
}
"""The first two are the key."""
BLOBS = ("aggregates", "raw", "block")
"""The others are whole numbers of four bytes."""

Row = Sequence[Any]


@contextmanager
def writing() -> Iterator[None]:
    """A transaction with no other writer of history beside it.

    A block is read, changed and written back; two at once would lose samples. SQLite's
    transactions are alone as they are (IMMEDIATE).
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITERS_LOCK])
        yield


def rows_insert(table: type[Model], rows: Sequence[Row]) -> None:
    """Add rows whose keys are not there yet."""
    if not rows:
        return
    columns = COLUMNS[table]
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # By far the fastest way in; as text, each byte would be written as two letters.
            statement = f"COPY {_name(table)} ({names}) FROM STDIN WITH (FORMAT BINARY)"
            with cursor.copy(statement) as copy:
                copy.set_types(["bytea" if name in BLOBS else "int4" for name in columns])
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {_name(table)} ({names}) VALUES ({marks})",  # noqa: S608
            rows,
        )


def rows_update(table: type[Model], rows: Sequence[Row]) -> None:
    """Change rows that are there."""
    if not rows:
        return
    first, second, *rest = COLUMNS[table]
    changes = ", ".join(f'"{name}" = %s' for name in rest)
    with connection.cursor() as cursor:
        cursor.executemany(
            f'UPDATE {_name(table)} SET {changes} WHERE "{first}" = %s AND "{second}" = %s',  # noqa: S608
            [(*row[2:], *row[:2]) for row in rows],
        )


def rows_delete(table: type[Model], keys: Iterable[tuple[int, int, int]]) -> int:
    """Delete the rows of (series, from, up to but not including) → how many."""
    first, second, *_ = COLUMNS[table]
    with connection.cursor() as cursor:
        cursor.executemany(
            f'DELETE FROM {_name(table)} WHERE "{first}" = %s '  # noqa: S608
            f'AND "{second}" >= %s AND "{second}" < %s',
            list(keys),
        )
        return int(cursor.rowcount)


def rows_select(
    table: type[Model],
    what: Sequence[str],
    series: Sequence[int],
    start: int,
    end: int,
    *,
    ordered: bool = True,
) -> list[tuple[Any, ...]]:
    """`what` columns of these series' rows in [start, end), by series and time.

    Not `ordered`: in any order, for those who sort by themselves; to sort the blobs of a
    thousand series along would cost PostgreSQL more than all the rest.
    """
    first, second, *_ = COLUMNS[table]
    names = ", ".join(f'"{name}"' for name in what)
    order = f'ORDER BY "{first}", "{second}"' if ordered else ""
    found: list[tuple[Any, ...]] = []
    distinct = sorted(set(series))
    for place in range(0, len(distinct), IDS_AT_ONCE):
        ids = distinct[place : place + IDS_AT_ONCE]
        if connection.vendor == "postgresql":
            some, given = "= ANY(%s::int4[])", [ids, start, end]
        else:
            some, given = f"IN ({', '.join(['%s'] * len(ids))})", [*ids, start, end]
        statement = (
            f'SELECT {names} FROM {_name(table)} WHERE "{first}" {some} '  # noqa: S608
            f'AND "{second}" >= %s AND "{second}" < %s {order}'
        )
        found += _fetched(statement, given)
    return found


def _fetched(statement: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, given)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
    from psycopg import Cursor

    # Django's cursors get bytes as text, twice as long; the connection is the same.
    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as plain:
        return plain.execute(statement, given, binary=True).fetchall()


def _name(table: type[Model]) -> str:
    return f'"{table._meta.db_table}"'
