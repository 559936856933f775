"""The documented routes never break: each with its method, status codes, and every field's type.

What stands here is what scripts were told. Lines may be added; none is changed or removed
(docs/versioning.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import ApiToken
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from apps.control.models import ControlJob, JobStatus
from tests.api import situations
from tests.api.conftest import person, token_client
from tests.api.schema import schema

pytestmark = pytest.mark.django_db

INT, FLOAT, TEXT, BOOL, LIST, DICT = int, (int, float), str, bool, list, dict
NONE = type(None)

NODE = {
    "node_id": INT,
    "hostname": TEXT,
    "ip_address": TEXT,
    "cpu_usage_pct": FLOAT,
    "ram_usage_pct": FLOAT,
    "gpu_count": INT,
    "gpu_usage_pct": FLOAT,
    "hbm_usage_pct": FLOAT,
    "is_leader": BOOL,
    "alive": BOOL,
    "port": INT,
    "state": TEXT,
    "last_seen_at": TEXT,
    "maintenance": DICT,
}
WORKER = {
    "worker_id": INT,
    "is_running": BOOL,
    "is_active": BOOL,
    "idle_iterations": INT,
    "num_queued_tasks": INT,
    "num_blocked_tasks": INT,
    "num_periodic_tasks": INT,
    "num_retry_tasks": INT,
    "num_tasks_processed": INT,
    "load": FLOAT,
    "suspend_period_us": FLOAT,
}
SUMMARY = {"count": INT, "queued": INT, "blocked": INT, "processed": INT}
ENTRY = {
    "event_id": INT,
    "timestamp_ns": INT,
    "wall_time_ns": INT,
    "node_id": INT,
    "hostname": TEXT,
    "ip_address": TEXT,
    "is_leader": BOOL,
    "cpu_usage_pct": FLOAT,
    "ram_usage_pct": FLOAT,
    "ram_total_bytes": INT,
    "ram_available_bytes": INT,
    "gpu_count": INT,
    "gpu_usage_pct": FLOAT,
    "hbm_usage_pct": FLOAT,
    "hbm_used_bytes": INT,
    "hbm_total_bytes": INT,
}
DEVICE = {
    "pool_id": TEXT,
    "pool_name": TEXT,
    "bdev_type": INT,
    "total_capacity": INT,
    "remaining_capacity": INT,
    "read_bandwidth_mbps": FLOAT,
    "write_bandwidth_mbps": FLOAT,
    "read_latency_us": FLOAT,
    "write_latency_us": FLOAT,
    "iops": FLOAT,
    "total_reads": INT,
    "total_writes": INT,
    "total_bytes_read": INT,
    "total_bytes_written": INT,
    "device_health": TEXT,
    "failure_prediction": TEXT,
    "predicted_ttl_days": INT,
}
CONTAINER = {
    "pool_id": TEXT,
    "pool_name": TEXT,
    "chimod_name": TEXT,
    "container_id": INT,
    "learning_rate": FLOAT,
    "methods": LIST,
}
METHOD = {
    "id": INT,
    "name": TEXT,
    "coefficient": FLOAT,
    "mape": FLOAT,
    "wall_coefficient": FLOAT,
    "wall_mape": FLOAT,
}
POOL = {"mod_name": TEXT, "pool_name": TEXT, "pool_id": TEXT, "pool_query": TEXT}
LIVE = {"sampled_at": TEXT, "age_s": FLOAT}
ERROR = {"error": TEXT, "code": TEXT}

Shape = dict[str, Any]
ROUTES: dict[str, tuple[Shape, dict[str, Shape], set[int]]] = {
    "/api/topology": (LIVE | {"nodes": LIST}, {"nodes": NODE}, {200, 401, 403, 503}),
    "/api/system": (
        LIVE
        | {
            "connected": BOOL,
            "workers": INT,
            "queued": INT,
            "blocked": INT,
            "processed": INT,
            "nodes": INT,
            "nodes_alive": INT,
        },
        {},
        {200, 401, 403, 503},
    ),
    "/api/workers": (
        LIVE | {"workers": LIST, "summary": DICT},
        {"workers": WORKER, "summary": SUMMARY},
        {200, 400, 401, 403, 404, 503},
    ),
    "/api/pools": ({"pools": LIST}, {"pools": POOL}, {200, 401, 403, 404, 503}),
    "/api/config": (
        {"config": DICT, "path": TEXT, "read_at": TEXT, "version": INT},
        {},
        {200, 401, 403, 404, 503},
    ),
    "/api/node/{node_id}/workers": (
        LIVE | {"workers": LIST, "summary": DICT},
        {"workers": WORKER, "summary": SUMMARY},
        {200, 401, 403, 404, 503},
    ),
    "/api/node/{node_id}/system_stats": (
        LIVE | {"entries": LIST},
        {"entries": ENTRY},
        {200, 400, 401, 403, 404, 503},
    ),
    "/api/node/{node_id}/bdev_stats": (
        LIVE | {"devices": LIST},
        {"devices": DEVICE},
        {200, 401, 403, 404, 503},
    ),
    "/api/node/{node_id}/container_stats": (
        LIVE | {"containers": LIST},
        {"containers": CONTAINER},
        {200, 401, 403, 404, 503},
    ),
}
"""Path → the answer's fields, those of its lists and objects, and the documented statuses."""
ACTION = {"success": BOOL, "returncode": INT, "stdout": TEXT, "stderr": TEXT}
LAUNCHED = ACTION | {"job": INT, "url": TEXT}
ACTIONS = ("shutdown", "restart")
ACTION_STATUSES = {200, 202, 400, 401, 403, 404, 409, 502, 503}
MAY_BE_NULL = {
    "alive", "is_leader", "last_seen_at", "maintenance", "returncode", "pool_query", "success"
}  # fmt: skip
"""Besides figures, which are null when they are not known."""


def differences(body: Any, shape: Shape, where: str = "") -> Iterator[str]:
    for name, kind in shape.items():
        if name not in body:
            yield f"{where}{name} is missing"
            continue
        value = body[name]
        may_be_null = name in MAY_BE_NULL or kind in (INT, FLOAT, BOOL)
        if value is None and may_be_null:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not BOOL):
            yield f"{where}{name} is {value!r}"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_documented_route_keeps_its_fields(client: Client, path: str, slash: str) -> None:
    situations.healthy()
    fields, parts, _ = ROUTES[path]
    answer = client.get(path.format(node_id=0) + slash)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    body = answer.json()
    assert list(differences(body, fields)) == []
    for name, shape in parts.items():
        items = body[name] if isinstance(body[name], list) else [body[name]]
        assert items, f"{name} is empty here: nothing was tested"
        for item in items:
            assert list(differences(item, shape, f"{name}.")) == []
    for container in body.get("containers", []):
        for method in container["methods"]:
            assert list(differences(method, METHOD, "methods.")) == []
    if "age_s" in fields:
        assert answer["Age"] == str(int(body["age_s"]))


@pytest.mark.parametrize("path", ROUTES)
def test_a_documented_route_keeps_its_status_codes(path: str) -> None:
    described = {int(status) for status in schema()["paths"][path]["get"]["responses"]}
    assert described >= ROUTES[path][2]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_documented_action_keeps_its_status_codes(action: str) -> None:
    operation = schema()["paths"][f"/api/topology/node/{{node_id}}/{action}"]["post"]
    assert {int(status) for status in operation["responses"]} >= ACTION_STATUSES


def test_every_documented_error_is_an_error_and_a_code(client: Client) -> None:
    situations.all_down()
    refused = person(Role.OPERATOR)
    refused.groups.clear()
    found = {
        401: Client().get("/api/topology"),
        403: token_client(refused).get("/api/topology"),
        404: client.get("/api/node/99/workers"),
        405: client.delete("/api/jobs/1"),
        503: client.get("/api/node/0/workers"),
        400: client.get("/api/node/0/system_stats?min_event_id=x"),
    }
    for status, answer in found.items():
        if status == 405:
            continue  # a token that reads is refused first; see below
        assert answer.status_code == status
        assert list(differences(answer.json(), ERROR)) == []
    assert found[401]["WWW-Authenticate"] == "Token"
    system = client.get("/api/system")
    assert (system.status_code, system.json()["connected"]) == (503, False)


def test_a_wrong_method_is_405(client: Client) -> None:
    situations.healthy()
    script = operator_script()
    answer = script.delete("/api/topology")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def operator_script() -> Client:
    _, secret = token_create(
        user=person(Role.OPERATOR), name="contract", scope=ApiToken.Scope.OPERATE
    )
    return Client(headers={"authorization": f"Token {secret}"})


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_documented_action_keeps_its_answers(action: str, slash: str) -> None:
    """No body is needed, as scripts for the documented dashboard send none."""
    situations.healthy()
    script = operator_script()
    answer = script.generic("POST", f"/api/topology/node/3/{action}{slash}?wait=0")
    assert answer.status_code == 202
    assert list(differences(answer.json(), LAUNCHED)) == []
    busy = script.generic("POST", f"/api/topology/node/3/{action}?wait=0")
    assert (busy.status_code, busy.json()["code"]) == (409, "node_busy")
    assert script.generic("POST", f"/api/topology/node/99/{action}").status_code == 404
    for status, code, success in ((JobStatus.SUCCEEDED, 200, True), (JobStatus.FAILED, 502, False)):
        ControlJob.objects.update(status=status, exit_code=0 if success else 1)
        job = ControlJob.objects.get()
        again = answer_of(job)
        assert (again.status_code, again.data["success"]) == (code, success)
        assert list(differences(again.data, LAUNCHED)) == []


def answer_of(job: ControlJob) -> Any:
    from apps.control.api.node_views import launched_response

    return launched_response(job)


def test_a_dry_run_does_nothing(settings: Settings) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    situations.healthy()
    answer = operator_script().post(
        "/api/topology/node/3/shutdown", {"dry_run": True}, content_type="application/json"
    )
    assert answer.status_code == 200
    assert list(differences(answer.json(), ACTION)) == []
    assert not ControlJob.objects.exists()
