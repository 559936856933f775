"""What is exported and imported again is the same, to the last bit."""

from __future__ import annotations

import math
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.history.models import Series
from apps.history.selectors import raw_entries
from apps.history.services import history_merge, samples_store, states_store
from apps.history.types import RawEntry, StateSample, SubjectRef
from tests.history.conftest import AT, BOOT, CLUSTER, batch, ms

pytestmark = pytest.mark.django_db

OTHER = 2
DEVICE = SubjectRef("block_device", "1/bdev/301.0")
SUBJECTS = (
    (SubjectRef("node", "1"), "system"),
    (SubjectRef("node", "2"), "system"),
    (DEVICE, "block_device"),
    (SubjectRef("node", "1"), "state"),
)


def fill() -> None:
    begin = ms(AT - timedelta(hours=5))
    times = [begin + 997 * n for n in range(9000)]
    odd: list[Any] = [None, math.nan, math.inf, 0.1, 99.999, -0.0, 1e300]
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch(
                times,
                event_ids=list(range(9000)),
                cpu_usage_pct=[odd[n % 7] if n % 50 < 7 else n % 100 / 3 for n in range(9000)],
                ram_available_bytes=[2**40 + 4096 * n for n in range(9000)],
                gpu_count=[2**80 if n == 5 else 1.5 if n == 6 else None for n in range(9000)],
            ),
            batch(times[:10], key="2", boot=None, cpu_usage_pct=[12.34] * 10),
            batch(
                times[::10],
                key=DEVICE.key,
                kind="block_device",
                subject_kind="block_device",
                boot=-BOOT,
                total_reads=[2**64 - 1 - n for n in range(900)],
            ),
        ],
        at=AT,
    )
    states_store(
        cluster_key=CLUSTER, changes=[StateSample("node", "1", 'n, "1"\n', "hung", AT)], at=AT
    )
    history_merge(at=AT)


def everything(cluster: int) -> list[str]:
    def text(entry: RawEntry) -> str:
        return repr(entry)  # NaN is equal to itself, and 1 is not 1.0

    return [
        text(entry)
        for subject, kind in SUBJECTS
        for entry in raw_entries(cluster_key=cluster, subject=subject, kind=kind)
    ]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_round_trip_is_exact(form: str, tmp_path: Path) -> None:
    fill()
    before = everything(CLUSTER)
    assert len(before) == 9000 + 10 + 900 + 1
    progress, said = StringIO(), StringIO()
    call_command("history_export", tmp_path, format=form, stderr=progress, stdout=said)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{kind}.{form}" for kind in ("system", "block_device", "state")
    }
    assert "2 of 2 series, 9,010 samples" in progress.getvalue()
    assert "Exported 9,911 samples" in said.getvalue()
    said = StringIO()
    call_command("history_import", tmp_path, cluster=OTHER, stderr=progress, stdout=said)
    assert "Imported 9,911 samples; 0 were there already" in said.getvalue()
    assert everything(OTHER) == before
    labels = Series.objects.order_by("kind", "subject_key").values_list("label", flat=True)
    assert list(labels.filter(cluster_key=OTHER)) == list(labels.filter(cluster_key=CLUSTER))
    said = StringIO()
    call_command("history_import", tmp_path, cluster=OTHER, stderr=progress, stdout=said)
    assert "Imported 0 samples; 9,911 were there already" in said.getvalue()
    assert everything(OTHER) == before


def test_a_part_of_the_time_is_exported(tmp_path: Path) -> None:
    fill()
    start = AT - timedelta(hours=4)
    call_command(
        "history_export",
        tmp_path,
        "--kind=system",
        f"--from={start.isoformat()}",
        f"--to={(start + timedelta(minutes=1)).isoformat()}",
        stderr=StringIO(),
        stdout=StringIO(),
    )
    lines = (tmp_path / "system.csv").read_text().splitlines()
    times = [int(line.split(",")[5]) for line in lines[1:]]
    every = [ms(AT - timedelta(hours=5)) + 997 * n for n in range(9000)]
    assert times == [time for time in every if ms(start) <= time < ms(start) + 60_000]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("system.csv", "a,b\n", "does not begin with the columns"),
        ("system.csv", "HEAD,frequency\n", "no metric frequency"),
        ("system.csv", "HEAD,cpu_usage_pct\nnode,1,,,,5\n", "line 2: 6 fields instead of 7"),
        ("system.csv", "HEAD,cpu_usage_pct\nnode,1,,,,5,much\n", "line 2: could not convert"),
        ("system.parquet", "text", "is no Parquet file"),
        ("weather.csv", "HEAD\n", "named after a kind of figures"),
    ],
)
def test_files_that_do_not_fit_are_named(name: str, text: str, says: str, tmp_path: Path) -> None:
    head = "subject_kind,subject_key,label,boot,event_id,time_ms"
    path = tmp_path / name
    path.write_text(text.replace("HEAD", head))
    with pytest.raises(CommandError, match=says):
        call_command("history_import", path, stderr=StringIO(), stdout=StringIO())
    assert Series.objects.count() == 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be read: No such file"):
        call_command("history_import", tmp_path / "system.csv", stderr=StringIO())
