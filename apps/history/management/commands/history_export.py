"""`manage.py history_export`: stored samples into files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.common.errors import PortalError
from apps.history.metrics import KINDS
from apps.history.models import Series
from apps.history.states import milliseconds
from apps.history.transfer.csv_files import csv_write
from apps.history.transfer.parquet_files import parquet_write
from apps.history.transfer.records import Record, names_of, records_read


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Write the stored samples of a cluster into a directory, one file per kind of figures. "
        "Progress goes to standard error. `history_import` reads the files back exactly."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="made when it is missing")
        parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
        parser.add_argument("--cluster", type=int, default=1, help="the cluster's key (1)")
        parser.add_argument(
            "--kind", action="append", choices=tuple(KINDS), help="only this; may repeat"
        )
        parser.add_argument("--from", dest="start", help="ISO 8601; default: all")
        parser.add_argument("--to", dest="end", help="ISO 8601, not included; default: all")

    def handle(
        self,
        *args: Any,
        directory: Path,
        format: str,
        cluster: int,
        kind: list[str] | None,
        start: str | None,
        end: str | None,
        **options: Any,
    ) -> None:
        start_ms = _time(start, "--from") if start else 0
        end_ms = _time(end, "--to") if end else milliseconds(datetime(2100, 1, 1, tzinfo=UTC))
        directory.mkdir(parents=True, exist_ok=True)
        total = 0
        for one in kind or KINDS:
            series = list(Series.objects.filter(cluster_key=cluster, kind=one).order_by("id"))
            if not series:
                continue
            path = directory / f"{one}.{format}"
            progress = _Progress(self, one, len(series))
            portions = progress.watch(series, start_ms, end_ms)
            try:
                if format == "csv":
                    csv_write(path, names_of(one), portions)
                else:
                    parquet_write(path, one, portions)
            except PortalError as error:
                raise CommandError(error.message) from error
            total += progress.samples
        self.stdout.write(f"Exported {total:,} samples to {directory}")


class _Progress:
    """Passes portions on and tells how far it is."""

    def __init__(self, command: BaseCommand, kind: str, series: int) -> None:
        self.samples = 0
        self._command, self._kind, self._series = command, kind, series

    def watch(
        self, series: Sequence[Series], start_ms: int, end_ms: int
    ) -> Iterator[Sequence[Record]]:
        for number, one in enumerate(series, start=1):
            for portion in records_read(one, start_ms, end_ms):
                self.samples += len(portion)
                yield portion
            self._command.stderr.write(
                f"{self._kind}: {number:,} of {self._series:,} series, {self.samples:,} samples"
            )


def _time(text: str, option: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} takes a time such as 2026-11-22T12:00:00Z.") from error
    return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))
