"""Figures of many nodes in one statement: what comes back, and how they are sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.nodes.models import FigureKind, LatestFigures, SampleChunk
from tests.factories import AT, cluster_make, node_make

pytestmark = pytest.mark.django_db

FIGURES: list[dict[str, Any]] = [
    {"text": 'a "quoted" word', "n": 1.5, "none": None},
    {"text": 'back\\slash and \\" both, 100 % %s', "list": [1, [2, {}]]},
    {"text": "it's {braces}, NULL, ünïcödé\n\t", "empty": ""},
]


def test_they_come_back_as_they_were() -> None:
    nodes = [node_make(cluster_make(), node_id=0)]
    nodes += [node_make(nodes[0].cluster, node_id=number) for number in (1, 2)]
    pairs = list(zip(nodes, FIGURES, strict=True))
    for figures in (FIGURES, FIGURES[::-1]):  # written, and written over
        rows = [
            LatestFigures(node=node, kind=FigureKind.SYSTEM, figures=one)
            for node, one in zip(nodes, figures, strict=True)
        ]
        LatestFigures.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["node", "kind"],
            update_fields=["figures"],
        )
        assert [row.figures for row in LatestFigures.objects.order_by("node__node_id")] == figures
    with CaptureQueriesContext(connection) as sent:
        SampleChunk.objects.bulk_create(
            SampleChunk(
                node=node,
                first_event_id=0,
                last_event_id=0,
                first_at=AT,
                last_at=AT,
                entries=[one],
            )
            for node, one in pairs
        )
    assert [row.entries for row in SampleChunk.objects.order_by("pk")] == [[one] for one in FIGURES]
    inserts = [query["sql"] for query in sent if query["sql"].startswith("INSERT")]
    assert len(inserts) == 1
    # As arrays, every quote in them would be escaped one by one.
    assert "UNNEST" not in inserts[0]
