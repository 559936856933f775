"""Records ↔ CSV. A value that is not known is an empty field; floats are written so that
they come back to the last bit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from apps.history.errors import SamplesWrong
from apps.history.transfer.records import HEAD, Record
from apps.history.types import Value


def csv_write(path: Path, names: Sequence[str], portions: Iterable[Sequence[Record]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*HEAD, *names])
        for portion in portions:
            for one in portion:
                writer.writerow(
                    [
                        one.subject_kind,
                        one.subject_key,
                        one.label,
                        _text(one.boot),
                        _text(one.event_id),
                        one.time_ms,
                        *map(_text, one.values),
                    ]
                )


def csv_names(path: Path) -> tuple[str, ...]:
    """The metrics that a file has. Raises SamplesWrong when it is no such file."""
    with path.open(newline="", encoding="utf-8") as file:
        head = next(csv.reader(file), [])
    if tuple(head[: len(HEAD)]) != HEAD:
        raise SamplesWrong(f"{path} does not begin with the columns {', '.join(HEAD)}.")
    return tuple(head[len(HEAD) :])


def csv_read(path: Path) -> Iterator[Record]:
    """Raises SamplesWrong with the line's number."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        width = len(next(reader))
        for row in reader:
            if len(row) != width:
                raise SamplesWrong(
                    f"{path}, line {reader.line_num}: {len(row)} fields instead of {width}."
                )
            try:
                yield Record(
                    row[0],
                    row[1],
                    row[2],
                    _whole(row[3]),
                    _whole(row[4]),
                    int(row[5]),
                    [_value(text) for text in row[len(HEAD) :]],
                )
            except ValueError as error:
                raise SamplesWrong(f"{path}, line {reader.line_num}: {error}.") from error


def _text(value: Value) -> str:
    return "" if value is None else repr(value)


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _value(text: str) -> Value:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)
