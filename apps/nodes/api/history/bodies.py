"""Results of the history → the JSON of the routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from apps.cluster.api.live import iso
from apps.history.metrics import SUBJECT_KIND_OF, Metric
from apps.history.types import (
    Curve,
    FleetResult,
    Heatmap,
    Ints,
    Resolution,
    SeriesResult,
    SubjectRef,
    Timeline,
    TopSubject,
)
from apps.nodes.api.history.numbers import number, numbers, times_s
from apps.nodes.api.history.subjects import NodeName, Nodes
from apps.nodes.subjects import subject_node_pk, subject_part

Fields = dict[str, Any]


class Bucketed(Protocol):
    """What results over common buckets share."""

    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def step_s(self) -> int: ...
    @property
    def resolution(self) -> Resolution: ...
    @property
    def starts_ms(self) -> Ints: ...


def bucket_fields(result: Bucketed) -> Fields:
    """The range that is answered, and what it was read from."""
    return {
        "from": iso(result.start),
        "to": iso(result.end),
        "step_s": result.step_s,
        "resolution": result.resolution.value,
        "times": times_s(result.starts_ms),
    }


def metric_fields(metric: Metric) -> Fields:
    """A line of the catalogue."""
    return {
        "metric": metric.key,
        "name": metric.label,
        "unit": metric.unit,
        "type": metric.type.value,
        "kind": metric.kind,
        "subject_kind": SUBJECT_KIND_OF[metric.kind],
        "exact_to": metric.resolution,
    }


def subject_fields(subject: SubjectRef, label: str, nodes: dict[int, NodeName]) -> Fields:
    """Whose figures: the node, and which part of it."""
    node = nodes.get(subject_node_pk(subject) or 0)
    part = subject_part(subject)
    return {
        "node_id": node.node_id if node else None,
        "node": node.name if node else label,
        "subject_kind": subject.kind,
        "part": part or None,
        "part_name": label if part else None,
    }


def series_body(result: SeriesResult, nodes: Nodes) -> Fields:
    names = nodes.by_pk
    return {
        **bucket_fields(result),
        "series": [_curve_fields(curve, names) for curve in result.curves],
    }


def _curve_fields(curve: Curve, names: dict[int, NodeName]) -> Fields:
    cadence_s = curve.cadence_s
    return {
        **subject_fields(curve.subject, curve.label, names),
        "metric": curve.metric.key,
        "name": curve.metric.label,
        "unit": curve.metric.unit,
        "cadence_s": None if cadence_s is None else round(cadence_s, 3),
        "min": numbers(curve.minimum),
        "avg": numbers(curve.average),
        "max": numbers(curve.maximum),
    }


def fleet_body(result: FleetResult) -> Fields:
    return {
        **bucket_fields(result),
        "series": [
            {
                "metric": curve.metric.key,
                "name": curve.metric.label,
                "unit": curve.metric.unit,
                "min": numbers(curve.minimum),
                "avg": numbers(curve.average),
                "max": numbers(curve.maximum),
                "p95": numbers(curve.p95),
                "total": numbers(curve.total),
                "subjects": curve.subjects.tolist(),
            }
            for curve in result.curves
        ],
    }


def top_body(
    found: list[TopSubject], metric: Metric, nodes: Nodes, *, start: datetime, end: datetime
) -> Fields:
    names = nodes.by_pk
    return {
        "from": iso(start),
        "to": iso(end),
        "metric": metric.key,
        "name": metric.label,
        "unit": metric.unit,
        "subjects": [
            {
                **subject_fields(one.subject, one.label, names),
                "min": number(one.minimum),
                "avg": number(one.average),
                "max": number(one.maximum),
            }
            for one in found
        ],
    }


def heatmap_body(result: Heatmap, nodes: Nodes) -> Fields:
    """Rows in the order of the nodes; one that left the cluster only where it has figures."""
    names = nodes.by_pk
    rows: list[Fields] = []
    for subject, label, values, maxima in zip(
        result.subjects, result.labels, result.values, result.maxima, strict=True
    ):
        whose = subject_fields(subject, label, names)
        listed = numbers(values)
        if whose["node_id"] is None and all(value is None for value in listed):
            continue
        rows.append({**whose, "avg": listed, "max": numbers(maxima)})
    return {
        **bucket_fields(result),
        "metric": result.metric.key,
        "name": result.metric.label,
        "unit": result.metric.unit,
        "rows": rows,
    }


def states_body(
    timelines: list[Timeline], nodes: Nodes, *, start: datetime, end: datetime
) -> Fields:
    names = nodes.by_pk
    listed: list[Fields] = []
    for timeline in timelines:
        node = names.get(subject_node_pk(timeline.subject) or 0)
        spans = [
            {"state": span.state, "from": iso(span.start), "to": iso(span.end)}
            for span in timeline.spans
        ]
        if node is None or (node.node_id is None and all(one["state"] is None for one in spans)):
            continue
        listed.append({"node_id": node.node_id, "node": node.name, "spans": spans})
    return {"from": iso(start), "to": iso(end), "nodes": listed}
