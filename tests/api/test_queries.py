"""The number of queries of each route: the same with 4 nodes and with 1,000."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests import factories

QUERIES = {
    "/api/topology": 3,  # cluster, nodes, system figures
    "/api/system": 5,  # … and cluster, workers
    "/api/workers?node=all": 5,
    "/api/workers?node=3": 6,  # topology, then cluster, node, figures
    "/api/pools": 5,
    "/api/config": 3,
    "/api/node/3/workers": 6,
    "/api/node/3/system_stats": 7,
    "/api/node/3/bdev_stats": 6,
    "/api/node/3/container_stats": 6,
}
"""Without the answer being held for other readers; with it the topology costs none."""

AUTH_QUERIES = 2
"""The token with its owner, and the owner's permissions."""


@pytest.mark.django_db
@pytest.mark.parametrize("count", [4, 1000])
def test_queries(client: Client, count: int, django_assert_num_queries: Any) -> None:
    factories.cluster_of(count)
    client.get("/api/topology")  # the token's last use is noted once a minute
    for path, queries in QUERIES.items():
        with django_assert_num_queries(AUTH_QUERIES + queries):
            assert client.get(path).status_code == 200
