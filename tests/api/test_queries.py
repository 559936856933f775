"""The number of queries of each list: fixed, whether there are 10 nodes or 1,000."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.services import Actor, audit_record
from apps.common.time import utc_now
from apps.control.models import BatchItem, ControlJob, JobBatch, JobLine
from apps.nodes.models import Node
from tests import factories
from tests.api.conftest import person, token_client

QUERIES = {
    "/api/topology": 3,  # cluster, nodes, system figures
    "/api/topology?state=alive&order=-cpu_usage_pct&limit=5": 3,
    "/api/topology?q=node1&offset=2": 3,
    "/api/system": 5,  # … and cluster, workers
    "/api/workers?node=all": 5,
    "/api/workers?node=all&order=-load&limit=5": 5,
    "/api/workers?node=3": 6,  # topology, then cluster, node, figures
    "/api/pools": 5,
    "/api/pools?q=ram&limit=1": 5,
    "/api/config": 3,
    "/api/node/3/workers": 6,
    "/api/node/3/workers?is_active=true": 6,
    "/api/node/3/system_stats": 7,
    "/api/node/3/system_stats?limit=10": 7,
    "/api/node/3/bdev_stats": 6,
    "/api/node/3/bdev_stats?order=-total_capacity": 6,
    "/api/node/3/container_stats": 6,
    "/api/node/3/container_stats?chimod_name=clio_bdev": 6,
    "/api/topology/node/3/maintenance": 3,
    "/api/jobs": 2,  # a page, and how many there are
    "/api/jobs?status=failed&node=3&actor=o&limit=5": 2,
    "/api/jobs/{job}": 3,
    "/api/jobs/{job}/output": 2,
    "/api/batches": 3,
    "/api/batches/{batch}": 4,
}
"""Without the answer being held for other readers; with it the topology costs none."""

FOR_ADMINISTRATORS = {
    "/api/audit": 2,  # a page, and how many there are
    "/api/audit?action=job&outcome=pending&limit=5": 2,
}
AUTH_QUERIES = 2
"""The token with its owner, and the owner's permissions."""


def jobs_make(count: int) -> dict[str, int]:
    """A batch that has done something on every node, with output."""
    node = Node.objects.filter(node_id=3).select_related("cluster").get()
    at, cluster = utc_now(), node.cluster
    user = User.objects.first()
    batch, *_ = JobBatch.objects.bulk_create(
        JobBatch(
            cluster=cluster,
            action="status",
            size=1,
            requested_by=user,
            requested_by_name="o",
            created_at=at,
        )
        for _ in range(count // 20 + 1)
    )
    jobs = ControlJob.objects.bulk_create(
        ControlJob(
            cluster=cluster,
            node=found,
            node_number=number,
            node_name=found.address,
            action="status",
            status="succeeded" if number else "failed",
            requested_by=user,
            requested_by_name="o",
            batch=batch,
            queued_at=at,
        )
        for number, found in enumerate(Node.objects.filter(cluster=cluster)[:count])
    )
    BatchItem.objects.bulk_create(
        BatchItem(batch=batch, node=job.node, node_number=job.node_number, position=place, job=job)
        for place, job in enumerate(jobs)
    )
    JobLine.objects.bulk_create(
        JobLine(job=jobs[0], number=number, stream="stdout", text="x", at=at)
        for number in range(1, count)
    )
    return {"job": jobs[0].pk, "batch": batch.pk}


@pytest.mark.django_db
@pytest.mark.parametrize("count", [10, 1000])
def test_queries(client: Client, count: int, django_assert_num_queries: Any) -> None:
    factories.cluster_of(count)
    numbers = jobs_make(count)
    client.get("/api/topology")  # the token's last use is noted once a minute
    for path, queries in QUERIES.items():
        address = path.format(**numbers)
        with django_assert_num_queries(AUTH_QUERIES + queries, info=address):
            assert client.get(address).status_code == 200, address


@pytest.mark.django_db
@pytest.mark.parametrize("count", [10, 1000])
def test_queries_of_the_trail(count: int, django_assert_num_queries: Any) -> None:
    for number in range(count):
        audit_record(action="job.launch", actor=Actor(number, f"o{number}"), at=factories.AT)
    client = token_client(person(Role.ADMINISTRATOR))
    client.get("/api/audit")  # the token's last use is noted once a minute
    for path, queries in FOR_ADMINISTRATORS.items():
        with django_assert_num_queries(AUTH_QUERIES + queries, info=path):
            assert client.get(path).status_code == 200, path
