"""Records ↔ Parquet, with pyarrow, which is an extra: ``pip install clio-portal[parquet]``.

Metrics with a resolution are doubles, the others 64-bit whole numbers. A value that its
column can't hold (a huge counter, a float among whole numbers) stands as text in the
column ``odd_values``, by metric; so nothing is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from apps.history.errors import SamplesWrong
from apps.history.metrics import KINDS
from apps.history.transfer.records import HEAD, Record
from apps.history.types import Value

ODD = "odd_values"
ROWS_AT_ONCE = 50_000


class ParquetMissing(SamplesWrong):
    def __init__(self) -> None:
        super().__init__(
            "Parquet needs pyarrow, which is not installed: pip install 'clio-portal[parquet]', "
            "or use --format csv."
        )


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ParquetMissing from error
    return pyarrow, pyarrow.parquet


def parquet_write(path: Path, kind: str, portions: Iterable[Sequence[Record]]) -> None:
    arrow, parquet = _arrow()
    metrics = KINDS[kind]
    texts = [(name, arrow.string()) for name in HEAD[:3]]
    numbers = [(name, arrow.int64()) for name in HEAD[3:]]
    figures = [(m.name, arrow.float64() if m.scale > 1 else arrow.int64()) for m in metrics]
    schema = arrow.schema([*texts, *numbers, *figures, (ODD, arrow.string())])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for portion in portions:
            if portion:
                rows = [_row(record, [m.scale > 1 for m in metrics]) for record in portion]
                columns = [list(column) for column in zip(*rows, strict=True)]
                writer.write_table(arrow.table(columns, schema=schema))


def _row(record: Record, floats: Sequence[bool]) -> tuple[Any, ...]:
    odd: dict[str, str] = {}
    values: list[Value] = []
    for place, (value, is_float) in enumerate(zip(record.values, floats, strict=True)):
        fits = value is None or (
            isinstance(value, float)
            if is_float
            else isinstance(value, int) and -(2**63) <= value < 2**63
        )
        values.append(value if fits else None)
        if not fits:
            odd[str(place)] = repr(value)
    event = record.event_id
    if event is not None and event >= 2**63:
        odd["event_id"], event = repr(event), None
    head = (record.subject_kind, record.subject_key, record.label, record.boot, event)
    return (*head, record.time_ms, *values, json.dumps(odd) if odd else None)


def parquet_names(path: Path) -> tuple[str, ...]:
    """The metrics that a file has. Raises SamplesWrong when it is no such file."""
    arrow, parquet = _arrow()
    try:
        names = tuple(parquet.read_schema(path).names)
    except arrow.ArrowInvalid as error:
        raise SamplesWrong(f"{path} is no Parquet file: {error}") from error
    if names[: len(HEAD)] != HEAD:
        raise SamplesWrong(f"{path} does not begin with the columns {', '.join(HEAD)}.")
    return tuple(name for name in names[len(HEAD) :] if name != ODD)


def parquet_read(path: Path) -> Iterator[Record]:
    _, parquet = _arrow()
    with parquet.ParquetFile(path) as file:
        for portion in file.iter_batches(batch_size=ROWS_AT_ONCE):
            columns = [column.to_pylist() for column in portion.columns]
            for *row, odd_text in zip(*columns, strict=True):
                values = list(row[len(HEAD) :])
                event = row[4]
                for name, text in json.loads(odd_text or "{}").items():
                    if name == "event_id":
                        event = int(text)
                    else:
                        is_whole = text.lstrip("-").isdecimal()
                        values[int(name)] = int(text) if is_whole else float(text)
                yield Record(row[0], row[1], row[2], row[3], event, row[5], values)
