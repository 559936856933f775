"""How the history is asked, and what a wrong question is told."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Get
from tests.api.schema import shape_check
from tests.factories import cluster_of

pytestmark = pytest.mark.django_db

SERIES = "/api/history/series?nodes={nodes}&metrics=system.cpu_usage_pct"


@pytest.fixture(autouse=True)
def cluster(db: None) -> None:
    cluster_of(4)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-22T11:50:00Z", "2026-11-22T12:00:00Z"),
        ("2026-11-22T11:50:00", "2026-11-22 12:00:00"),
        ("2026-11-22T12:50:00%2B01:00", "2026-11-22T13:00:00 01:00"),
        ("1795348200", "1795348800.0"),
        ("1795348200000", "now"),
        ("-10m", "now"),
        ("now-600s", "-0s"),
        ("-0h9m60s", "now"),
    ],
)
def test_ways_to_write_a_time(get: Get, start: str, end: str) -> None:
    body = get(SERIES.format(nodes="0") + f"&from={start}&to={end}&step=1m").json()
    assert (body["from"], body["to"]) == ("2026-11-22T11:50:00Z", "2026-11-22T12:00:00Z")


@pytest.mark.parametrize(
    ("query", "status", "code", "part"),
    [
        ("nodes=0&metrics=system.cpu_usage", 400, "metric_unknown", "system.cpu_usage_pct"),
        ("nodes=0&metrics=state.state", 400, "metric_not_here", "/api/history/states"),
        ("nodes=0", 400, "parameter_missing", "metrics"),
        ("metrics=system.cpu_usage_pct", 400, "parameter_missing", "nodes"),
        ("nodes=0&metrics=x&from=yesterday", 400, "bad_time", "from"),
        ("nodes=0&metrics=x&from=1e5", 400, "bad_time", "from"),
        ("nodes=0&metrics=x&from=now&to=-1h", 400, "bad_time", "before"),
        ("nodes=0&metrics=x&to=3000-01-01", 400, "bad_time", "2099"),
        ("nodes=0&metrics=x&points=0", 400, "bad_parameter", "points"),
        ("nodes=0&metrics=x&points=20001", 400, "bad_parameter", "20,000"),
        ("nodes=0&metrics=x&step=0", 400, "bad_parameter", "step"),
        ("nodes=0&metrics=x&step=5m&points=5", 400, "bad_parameter", "without points"),
        ("nodes=0&metrics=x&format=xml", 400, "bad_parameter", "csv"),
        ("nodes=99&metrics=system.cpu_usage_pct", 404, "node_unknown", "99"),
        ("nodes=zebra&metrics=system.cpu_usage_pct", 404, "node_unknown", "zebra"),
        ("nodes=9-3&metrics=system.cpu_usage_pct", 400, "bad_filter", "3-9"),
        ("nodes=0&metrics=system.cpu_usage_pct&from=-30d&step=1", 400, "too_much", "format=csv"),
    ],
)
def test_what_is_wrong_is_said(get: Get, query: str, status: int, code: str, part: str) -> None:
    response = get(f"/api/history/series?{query}")
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert part in f"{body['error']} {body.get('remedy', '')}"


def test_too_many_metrics_and_the_limit_of_an_answer(get: Get) -> None:
    body = get("/api/history/series?nodes=all&points=20000&metrics="
               + ",".join(sorted(METRICS))).json()  # fmt: skip
    assert body["code"] == "too_much"
    assert body["values"] == 4 * len(METRICS) * 20_000
    assert body["most"] < body["values"]


METRICS = {
    "system.cpu_usage_pct", "system.ram_usage_pct", "system.gpu_count", "workers.count",
    "workers.load_us", "workers.num_active",
}  # fmt: skip


ROUTES = ("series", "fleet", "top", "heatmap", "states")
NUMBERS = st.one_of(st.integers().map(str), st.floats().map(str), st.text(max_size=8))
TIMES = st.one_of(
    st.sampled_from(["now", "-1h", "-30d", "2026-11-22T11:00:00Z", "2026-11-22", "1795348200"]),
    st.datetimes().map(lambda moment: moment.isoformat()),
    NUMBERS,
)
PARAMETERS = st.fixed_dictionaries(
    {"nodes": st.one_of(st.sampled_from(["all", "0", "0-3", "node1,2"]), st.text(max_size=12))},
    optional={
        "metrics": st.one_of(
            st.sampled_from(["system.cpu_usage_pct", "worker.load_us", "state.state"]), st.text()
        ),
        "metric": st.one_of(st.sampled_from(["system.ram_usage_pct", "system"]), st.text()),
        "from": TIMES,
        "to": TIMES,
        "points": st.one_of(st.sampled_from(["1", "60", "20000"]), NUMBERS),
        "step": st.one_of(st.sampled_from(["1", "5m", "1d", "52w"]), NUMBERS),
        "parts": st.text(max_size=12),
        "by": st.sampled_from(["average", "maximum", "mode"]),
        "limit": NUMBERS,
        "format": st.sampled_from(["json", "csv", "", "xml"]),
    },
)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(route=st.sampled_from(ROUTES), parameters=PARAMETERS)
def test_whatever_is_asked_gets_an_answer_of_the_schema(
    client: Client, route: str, parameters: dict[str, str]
) -> None:
    path = f"/api/history/{route}?{urlencode(parameters, errors='replace')}"
    response: Any = client.get(path)
    assert response.status_code in (200, 400, 404)
    if response["Content-Type"] == "application/json":
        shape_check(path, response.status_code, response.json())
    else:
        assert b"".join(response.streaming_content).startswith((b"time,", b"rank,", b"node_id,"))


def test_metrics_with_too_many_curves_are_named_instead_of_read(get: Get) -> None:
    question = SERIES.format(nodes="all") + ",worker.num_queued_tasks&from=-10m"
    body = get(question).json()
    assert (len(body["series"]), body["left_out"]) == (4, [])
    body = get(f"{question}&curves=4").json()
    assert (len(body["series"]), body["left_out"]) == (4, [])
    body = get(f"{question}&curves=3").json()
    shape_check("/api/history/series", 200, body)
    assert body["series"] == []
    assert body["left_out"] == [
        {"metric": "system.cpu_usage_pct", "subject_kind": "node", "curves": 4}
    ]
    assert len(body["times"]) > 10
    error = get(f"{question}&curves=0")
    assert (error.status_code, error.json()["parameter"]) == (400, "curves")


def test_what_is_too_much_says_what_to_ask_instead(get: Get) -> None:
    six = "cpu_usage_pct ram_usage_pct gpu_count gpu_usage_pct hbm_usage_pct hbm_used_bytes"
    metrics = ",".join(f"system.{name}" for name in six.split())
    answer = get(f"/api/history/series?nodes=all&metrics={metrics}&from=-10m&points=20000")
    assert (answer.status_code, answer.json()["code"]) == (400, "too_much")
    for path in ("/api/history/fleet", "/api/history/heatmap", "/api/history/top", "format=csv"):
        assert path in answer.json()["remedy"]
