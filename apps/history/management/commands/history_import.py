"""`manage.py history_import`: samples from files into the history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.common.errors import PortalError
from apps.common.time import utc_now
from apps.history.metrics import KINDS
from apps.history.transfer.csv_files import csv_names, csv_read
from apps.history.transfer.parquet_files import parquet_names, parquet_read
from apps.history.transfer.records import records_store

READERS = {".csv": (csv_names, csv_read), ".parquet": (parquet_names, parquet_read)}


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Store the samples of files that history_export wrote (KIND.csv or KIND.parquet). "
        "Samples that are there already change nothing, so an interrupted import is repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, help="files, or directories of them")
        parser.add_argument("--cluster", type=int, default=1, help="the cluster's key (1)")

    def handle(self, *args: Any, files: list[Path], cluster: int, **options: Any) -> None:
        paths = [found for one in files for found in self._paths(one)]
        new = known = late = 0
        for path in paths:
            names_of, read = READERS[path.suffix]
            try:
                portions = records_store(
                    read(path),
                    cluster_key=cluster,
                    kind=path.stem,
                    names=names_of(path),
                    at=utc_now(),
                )
                for stored in portions:
                    new, known, late = (
                        new + stored.new,
                        known + stored.known,
                        late + stored.too_late,
                    )
                    self.stderr.write(f"{path.name}: {new:,} new, {known:,} known so far")
            except PortalError as error:
                raise CommandError(error.message) from error
            except OSError as error:
                raise CommandError(f"{path} can't be read: {error.strerror}") from error
        self.stdout.write(
            f"Imported {new:,} samples; {known:,} were there already, {late:,} are older than "
            "what retention keeps"
        )

    def _paths(self, given: Path) -> list[Path]:
        found = sorted(given.iterdir()) if given.is_dir() else [given]
        paths = [one for one in found if one.suffix in READERS and one.stem in KINDS]
        if not paths:
            raise CommandError(
                f"{given} is not, and does not hold, a file named after a kind of figures "
                f"({', '.join(KINDS)}) that ends in .csv or .parquet."
            )
        return paths
