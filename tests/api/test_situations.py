"""Every route in every condition of the cluster: status, machine word, and the schema's shape."""

from __future__ import annotations

import pytest

from tests.api.conftest import Get
from tests.api.situations import SITUATIONS

OK = (200, None)
NODE_DOWN = (503, "node_unreachable")
NO_CONFIG = (404, "config_missing")
BROKEN = (503, "malformed_yaml")


def cluster_wide(code: str) -> dict[str, tuple[int, str | None]]:
    return dict.fromkeys(("topology", "system", "workers", "workers?node=all"), (503, code))


def node(node_id: int, answer: tuple[int, str | None]) -> dict[str, tuple[int, str | None]]:
    kinds = ("workers", "system_stats", "bdev_stats", "container_stats")
    return {f"node/{node_id}/{kind}": answer for kind in kinds}


LIVE = dict.fromkeys(("topology", "system", "workers", "workers?node=all"), OK)
CONFIG = dict.fromkeys(("pools", "config"), OK)
MISSING = (503, "cluster_missing")

EXPECTED: dict[str, dict[str, tuple[int, str | None]]] = {
    "healthy": LIVE | CONFIG | node(0, OK) | node(3, OK) | node(4, (404, "node_unknown")),
    "one_down": LIVE | CONFIG | node(0, OK) | node(2, NODE_DOWN),
    "one_hung": LIVE | CONFIG | node(0, OK) | node(2, NODE_DOWN) | node(3, OK),
    "all_down": cluster_wide("cluster_unreachable") | CONFIG | node(0, NODE_DOWN),
    "stale": cluster_wide("collector_stale") | CONFIG | node(0, NODE_DOWN),
    "not_polled": cluster_wide("not_polled_yet")
    | {"pools": NO_CONFIG, "config": NO_CONFIG}
    | node(0, (404, "node_unknown")),
    "no_cluster": cluster_wide("cluster_missing")
    | {"pools": MISSING, "config": MISSING}
    | node(0, MISSING),
    "no_config": LIVE | {"pools": NO_CONFIG, "config": NO_CONFIG} | node(0, OK),
    "named_config_missing": LIVE | {"pools": NO_CONFIG, "config": NO_CONFIG} | node(0, OK),
    "broken_config": LIVE | {"pools": BROKEN, "config": BROKEN} | node(0, OK),
    "broken_config_with_good": LIVE | CONFIG | node(0, OK),
}


def test_every_situation_has_expectations() -> None:
    assert EXPECTED.keys() == SITUATIONS.keys()


@pytest.mark.django_db
@pytest.mark.parametrize("situation", EXPECTED)
def test_answers(get: Get, situation: str) -> None:
    SITUATIONS[situation]()
    found = {}
    for path in EXPECTED[situation]:
        response = get(f"/api/{path}")
        body = response.json()
        found[path] = (response.status_code, body.get("code"))
        if response.status_code >= 400:
            assert body["error"].endswith(".")
            assert body["remedy"]
    assert found == EXPECTED[situation]
