"""Shapes of the answers, for the schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.cluster.api.serializers import ErrorSerializer
from apps.nodes.api.serializers import STATES

UNITS = "`pct`, `bytes`, `bytes/s`, `1/s`, `us`, `mbps`, `days`, or empty: a count."
GAP = "one a bucket; `null`: a gap, nothing is known"


def figures(what: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text=f"{what}, {GAP}."
    )


def figure(what: str) -> serializers.FloatField:
    return serializers.FloatField(allow_null=True, help_text=f"{what}; `null`: not known.")


class HistoryErrorSerializer(ErrorSerializer):
    """What is wrong with the question."""

    parameter = serializers.CharField(required=False, help_text="Which parameter is wrong.")
    metric = serializers.CharField(required=False, help_text="Which metric is wrong.")
    values = serializers.IntegerField(required=False, help_text="How many values were asked.")
    most = serializers.IntegerField(required=False, help_text="How many one answer holds.")


class MetricSerializer(serializers.Serializer[object]):
    """One figure that the history keeps, or makes from what it keeps."""

    metric = serializers.CharField(help_text="Its key, for `metrics=` of the other routes.")
    name = serializers.CharField(help_text="For people.")
    unit = serializers.CharField(allow_blank=True, help_text=UNITS)
    type = serializers.ChoiceField(
        choices=["gauge", "counter", "rate", "state"],
        help_text=(
            "gauge: a value now. counter: rises since the runtime's start. rate: per second, "
            "made from a counter when read; restarts are known. state: a word."
        ),
    )
    kind = serializers.CharField(help_text="Which figures it belongs to.")
    subject_kind = serializers.ChoiceField(
        choices=["node", "worker", "block_device"], help_text="What has this figure."
    )
    exact_to = serializers.FloatField(
        help_text="Stored values are off by no more than half of this; 0: exact."
    )


class MetricsSerializer(serializers.Serializer[object]):
    """The catalogue."""

    metrics = MetricSerializer(many=True)


class BucketsSerializer(serializers.Serializer[object]):
    """The range that is answered: the asked one, moved outwards to whole buckets."""

    to = serializers.DateTimeField(help_text="End, not included: UTC.")
    step_s = serializers.IntegerField(help_text="Length of a bucket, seconds.")
    resolution = serializers.ChoiceField(
        choices=["raw", "minute", "hour", "day"],
        help_text="What it was read from. Where finer figures are kept no more, a coarser one.",
    )
    times = serializers.ListField(
        child=serializers.FloatField(), help_text="Start of each bucket: Unix seconds."
    )

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name that Python allows for an attribute."""
        start = serializers.DateTimeField(help_text="Start, included: UTC.")
        return {"from": start, **super().get_fields()}


class SubjectSerializer(serializers.Serializer[object]):
    """Whose figures these are."""

    node_id = serializers.IntegerField(
        allow_null=True, help_text="The node's line in the host list; `null`: it left the list."
    )
    node = serializers.CharField(help_text="The node's name.")
    subject_kind = serializers.ChoiceField(
        choices=["node", "worker", "block_device"], help_text="What it is."
    )
    part = serializers.CharField(
        allow_null=True, help_text="Worker or pool id; `null`: the node as a whole."
    )
    part_name = serializers.CharField(allow_null=True, help_text="The part's name.")


class CurveSerializer(SubjectSerializer):
    """One metric of one subject."""

    metric = serializers.CharField(help_text="Its key.")
    name = serializers.CharField(help_text="For people.")
    unit = serializers.CharField(allow_blank=True, help_text=UNITS)
    cadence_s = figure("Usual distance of the samples, seconds")
    min = figures("Lowest sample")
    avg = figures("Average")
    max = figures("Highest sample")


class LeftOutSerializer(serializers.Serializer[object]):
    """A metric with more curves than were wanted."""

    metric = serializers.CharField(help_text="Its key.")
    subject_kind = serializers.ChoiceField(
        choices=["node", "worker", "block_device"], help_text="What has this figure."
    )
    curves = serializers.IntegerField(help_text="How many curves it has.")


class SeriesSerializer(BucketsSerializer):
    """Curves over common buckets."""

    series = CurveSerializer(many=True)
    left_out = LeftOutSerializer(many=True, help_text="Only with `curves`; else empty.")


class FleetCurveSerializer(serializers.Serializer[object]):
    """One metric over all the nodes of the question."""

    metric = serializers.CharField(help_text="Its key.")
    name = serializers.CharField(help_text="For people.")
    unit = serializers.CharField(allow_blank=True, help_text=UNITS)
    min = figures("Lowest sample of any")
    avg = figures("Average of the averages")
    max = figures("Highest sample of any")
    p95 = figures("What 95 of 100 subjects' averages do not exceed")
    total = figures("Sum of the averages")
    subjects = serializers.ListField(
        child=serializers.IntegerField(), help_text="How many have a value, one a bucket."
    )


class FleetSerializer(BucketsSerializer):
    """One curve per metric over all the nodes."""

    series = FleetCurveSerializer(many=True)


class TopSubjectSerializer(SubjectSerializer):
    """One line of the list, over the whole range."""

    min = figure("Lowest")
    avg = figure("Average")
    max = figure("Highest")


class SpanSerializer(serializers.Serializer[object]):
    """The range."""

    to = serializers.DateTimeField(help_text="End, not included: UTC.")

    def get_fields(self) -> dict[str, Any]:
        start = serializers.DateTimeField(help_text="Start, included: UTC.")
        return {"from": start, **super().get_fields()}


class TopSerializer(SpanSerializer):
    """The subjects with the highest or lowest figures."""

    metric = serializers.CharField(help_text="Its key.")
    name = serializers.CharField(help_text="For people.")
    unit = serializers.CharField(allow_blank=True, help_text=UNITS)
    subjects = TopSubjectSerializer(many=True)


class HeatmapRowSerializer(SubjectSerializer):
    """One line of the matrix."""

    avg = figures("Average")
    max = figures("Highest sample")


class HeatmapSerializer(BucketsSerializer):
    """Nodes × time of one metric."""

    metric = serializers.CharField(help_text="Its key.")
    name = serializers.CharField(help_text="For people.")
    unit = serializers.CharField(allow_blank=True, help_text=UNITS)
    rows = HeatmapRowSerializer(many=True)


class StateSpanSerializer(SpanSerializer):
    """How long a node was in one state."""

    state = serializers.ChoiceField(
        choices=STATES, allow_null=True, help_text="`null`: not known; the portal did not look."
    )


class NodeStatesSerializer(serializers.Serializer[object]):
    """The states of one node, without holes."""

    node_id = serializers.IntegerField(
        allow_null=True, help_text="The node's line in the host list; `null`: it left the list."
    )
    node = serializers.CharField(help_text="The node's name.")
    spans = StateSpanSerializer(many=True)


class StatesSerializer(SpanSerializer):
    """Which state each node was in, over time."""

    nodes = NodeStatesSerializer(many=True)
