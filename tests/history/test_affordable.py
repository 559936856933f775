"""What nobody asked for in detail is not read in more detail than it can be afforded."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.history.reading import lines, source
from apps.history.selectors import fleet_aggregate, heatmap, series_read, top_subjects
from apps.history.services import samples_store
from apps.history.types import Resolution, SubjectRef
from tests.history.conftest import AT, CLUSTER, batch, ms, node

pytestmark = pytest.mark.django_db

CPU = "system.cpu_usage_pct"
HOUR = timedelta(hours=1)
NODES = 5
Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def samples() -> None:
    times = list(range(ms(AT - HOUR), ms(AT), 1000))
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch(times, key=str(key), cpu_usage_pct=[10.0 * key for _ in times])
            for key in range(NODES)
        ],
        at=AT,
    )


def fleet(**more: Any) -> Any:
    return fleet_aggregate(
        cluster_key=CLUSTER, subjects=None, metrics=[CPU], start=AT - HOUR, end=AT, at=AT, **more
    )


def series(**more: Any) -> Any:
    subjects = [node(str(key)) for key in range(NODES)]
    return series_read(
        cluster_key=CLUSTER,
        subjects=subjects,
        metrics=[CPU],
        start=AT - HOUR,
        end=AT,
        at=AT,
        **more,
    )


@pytest.mark.parametrize("ask", [fleet, series])
def test_from_samples_to_minutes_to_hours(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ask().resolution, ask().step_s) == (Resolution.RAW, 10)
    monkeypatch.setattr(lines, "MAX_SAMPLES", NODES * 3600)
    assert ask().resolution is Resolution.RAW
    monkeypatch.setattr(lines, "MAX_SAMPLES", NODES * 3600 - 1)
    assert (ask().resolution, ask().step_s) == (Resolution.MINUTE, 60)
    monkeypatch.setattr(lines, "MAX_ROWS", NODES * 60 - 1)
    assert (ask().resolution, ask().step_s) == (Resolution.HOUR, 3600)


@pytest.mark.parametrize("ask", [fleet, series])
def test_a_step_that_is_asked_for_is_obeyed(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_SAMPLES", 1)
    monkeypatch.setattr(lines, "MAX_ROWS", 1)
    assert (ask(step_s=10).resolution, ask(step_s=10).step_s) == (Resolution.RAW, 10)


def test_coarser_is_as_true(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = fleet()
    monkeypatch.setattr(lines, "MAX_SAMPLES", 1)
    coarse = fleet()
    for name in ("minimum", "average", "maximum", "p95", "total"):
        (figures,) = {getattr(fine.curves[0], name).mean()}
        assert getattr(coarse.curves[0], name).mean() == pytest.approx(figures), name


def test_heatmap_and_top_are_never_finer_than_a_minute_by_themselves() -> None:
    found = heatmap(cluster_key=CLUSTER, metric=CPU, start=AT - HOUR, end=AT, at=AT, points=3600)
    assert found.step_s == 60
    top = top_subjects(cluster_key=CLUSTER, metric=CPU, start=AT - HOUR, end=AT, at=AT)
    assert [one.subject for one in top] == [SubjectRef("node", str(key)) for key in (4, 3, 2, 1, 0)]


def test_what_is_sampled_less_often_counts_less() -> None:
    some = [lines.Named(number, "node", str(number), "") for number in range(100)]
    assert lines.affordable_span({"system": some}, 1001) == 60
    assert lines.affordable_span({"workers": some}, 1001) == 1
    assert lines.affordable_span({"system": some, "workers": some}, 1000) == 60


def test_the_collector_of_garbage_works_again_after_a_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert gc.isenabled()
    fleet()
    assert gc.isenabled()
    monkeypatch.setattr(source, "rows_select", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fleet()
    assert gc.isenabled()
