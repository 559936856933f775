"""A web process of the portal for tests of faults: launches jobs and looks at them.

Run as ``python -m tests.control.driver``: a line of JSON ``[function, arguments]`` in, a line out.
It and the Celery workers beside it are real processes with a real database and a real broker.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
django.setup()

from celery import current_app  # noqa: E402
from django.db import close_old_connections, connections  # noqa: E402
from django.db.models import Count  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.accounts.roles import Role  # noqa: E402
from apps.accounts.services import account_save  # noqa: E402
from apps.audit.models import AuditEvent  # noqa: E402
from apps.audit.verify import audit_verify  # noqa: E402
from apps.cluster.models import Cluster  # noqa: E402
from apps.common.time import utc_now  # noqa: E402
from apps.control.errors import NodeBusy  # noqa: E402
from apps.control.models import ControlJob, JobLine  # noqa: E402
from apps.control.services import (  # noqa: E402
    BatchOrder,
    Order,
    batch_launch,
    batches_advance,
    control_job_launch,
    jobs_dispatch_again,
    jobs_reap,
)
from apps.control.services.dispatch import RUN_TASK  # noqa: E402
from apps.nodes.models import Node  # noqa: E402
from apps.runtime.types import NodeState  # noqa: E402
from clio_portal import celery  # noqa: E402, F401 - the app that sends
from clio_portal.warm import warm_up  # noqa: E402


def setup(addresses: list[tuple[str, int]]) -> None:
    """Nodes at these hosts and ports, and two operators."""
    at = utc_now()
    cluster, _ = Cluster.objects.get_or_create(name="default", defaults={"created_at": at})
    Cluster.objects.filter(pk=cluster.pk).update(polled_at=at, connected=True)
    Node.objects.bulk_create(
        Node(
            cluster=cluster,
            node_id=node_id,
            host=host,
            port=port,
            state=NodeState.ALIVE,
            state_since=at,
            created_at=at,
        )
        for node_id, (host, port) in enumerate(addresses)
    )
    for name in ("ann", "bob"):
        account_save(username=name, role=Role.OPERATOR, password="long enough to pass", at=at)


def launch(node_id: int, action: str, by: str = "ann") -> int:
    order = Order(action=action, reason="a test", confirmed=True, fresh=True)
    node = Node.objects.select_related("cluster").get(node_id=node_id)
    user = User.objects.get(username=by)
    return control_job_launch(node=node, user=user, order=order, at=utc_now()).job.pk


def press_at_once(node_id: int, people: int) -> list[int | str]:
    """So many people press in the same moment: the job's number, or whose job is in the way."""

    def press(number: int) -> int | str:
        try:
            return launch(node_id, "status", by=("ann", "bob")[number % 2])
        except NodeBusy as busy:
            return f"busy with {busy.extra['job']}"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(people) as pool:
        return list(pool.map(press, range(people)))


def burst(
    action: str, threads: int = 8, part: int = 0, parts: int = 1, begins_at: float = 0.0
) -> dict[str, Any]:
    """A job on every node, one request each, from several threads; or on every so many-th.

    When it begins, began and ended is by the monotonic clock, which all processes share.
    """
    warm_up()
    ids = list(Node.objects.values_list("node_id", flat=True))[part::parts]

    def press(node_id: int) -> int:
        return launch(node_id, action)

    time.sleep(max(0.0, begins_at - time.monotonic()))
    with ThreadPoolExecutor(threads) as pool:
        begun = time.monotonic()
        pks = list(pool.map(press, ids))
        ended = time.monotonic()
    return {"jobs": len(set(pks)), "begun": begun, "ended": ended}


def burst_as_batch(action: str) -> dict[str, Any]:
    nodes = list(Node.objects.select_related("cluster").order_by("node_id"))
    begun = time.monotonic()
    order = Order(action=action, reason="a test", confirmed=True, fresh=True)
    batch = batch_launch(
        cluster=nodes[0].cluster,
        nodes=nodes,
        user=User.objects.get(username="ann"),
        wanted=BatchOrder(order=order, size=0),
        at=utc_now(),
    ).batch
    return {"jobs": batch.jobs.count(), "begun": begun, "ended": time.monotonic()}


def job(pk: int) -> dict[str, Any]:
    """One job, as far as these tests care."""
    found = ControlJob.objects.get(pk=pk)
    return {
        "status": found.status,
        "code": found.outcome_code,
        "outcome": found.outcome,
        "holder": found.lease_holder,
        "exit_code": found.exit_code,
        "lines_total": found.lines_total,
        "lines": JobLine.objects.filter(job=found).count(),
        "dispatched": found.dispatched_at is not None,
        "course": list(found.transitions.values_list("to_status", flat=True)),
    }


def statuses() -> dict[str, int]:
    counted = ControlJob.objects.order_by().values_list("status").annotate(Count("pk"))
    return dict(counted)


def reap(after_s: float) -> list[int]:
    return jobs_reap(at=utc_now() + timedelta(seconds=after_s))


def send_again(after_s: float = 0.0) -> int:
    """What beat's task would do, as if so much later."""
    at = utc_now() + timedelta(seconds=after_s)
    batches_advance(at=at)
    return jobs_dispatch_again(at=at)


def deliver(pk: int, times: int) -> None:
    """The broker delivers the job's message once more, and once more."""
    for _ in range(times):
        current_app.send_task(RUN_TASK, args=(pk,), queue="control")


def events(pk: int) -> list[str]:
    found = AuditEvent.objects.filter(job_id=str(pk)).order_by("number")
    return list(found.values_list("action", flat=True))


def trail_is_whole() -> bool:
    return audit_verify().intact


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        setup,
        launch,
        press_at_once,
        burst,
        burst_as_batch,
        job,
        statuses,
        reap,
        send_again,
        deliver,
        events,
        trail_is_whole,
    )
}


def main() -> None:
    for line in sys.stdin:
        name, arguments = json.loads(line)
        close_old_connections()  # as at the beginning of a request
        sys.stdout.write(json.dumps(FUNCTIONS[name](*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
