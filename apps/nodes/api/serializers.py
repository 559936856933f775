"""Shapes of the answers, for the schema: every field with its unit and meaning."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.cluster.api.serializers import ErrorSerializer, LiveSerializer, PagedSerializer
from apps.runtime.types import NodeState

STATES = [state.value for state in NodeState]
NOT_KNOWN = "`null`: not known."


def integer(help_text: str, *, null: bool = True) -> serializers.IntegerField:
    return serializers.IntegerField(help_text=help_text, allow_null=null)


def number(help_text: str, *, null: bool = True) -> serializers.FloatField:
    return serializers.FloatField(help_text=help_text, allow_null=null)


def percentage(what: str) -> serializers.FloatField:
    return number(f"{what}, percent from 0 to 100; {NOT_KNOWN}")


class NodeSerializer(serializers.Serializer[object]):
    """One node of the host list. A node that does not answer has `null` figures, never 0."""

    node_id = integer("The node's line in the host list, from 0.", null=False)
    name = serializers.CharField(help_text="How the portal calls it; unique in the cluster.")
    hostname = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="As its runtime calls itself."
    )
    ip_address = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="As its runtime reports it."
    )
    address = serializers.CharField(help_text="`host:port` of the host list.")
    port = integer("The runtime's `networking.port`.", null=False)
    cpu_usage_pct = percentage("CPU in use")
    ram_usage_pct = percentage("Memory in use")
    ram_total_bytes = integer(f"Memory, bytes; {NOT_KNOWN}")
    ram_available_bytes = integer(f"Memory that is free to use, bytes; {NOT_KNOWN}")
    gpu_count = integer(f"GPUs; 0: it has none; {NOT_KNOWN}")
    gpu_usage_pct = percentage("GPU in use")
    hbm_usage_pct = percentage("GPU memory in use")
    is_leader = serializers.BooleanField(allow_null=True, help_text="Does it lead the cluster?")
    alive = serializers.BooleanField(
        allow_null=True, help_text="Is `state` alive or suspect? `null`: the state is not known."
    )
    state = serializers.ChoiceField(
        choices=STATES,
        help_text=(
            "alive: it answered. suspect: it is late, with no verdict yet. hung: it accepts TCP "
            "but does not answer. down: it refuses or can't be reached. unknown: never asked, "
            "or what is known is too old to be believed."
        ),
    )
    state_since = serializers.DateTimeField(allow_null=True, help_text="Since when: UTC.")
    state_age_s = number("Seconds since `state_since`.")
    state_reason = serializers.CharField(allow_blank=True, help_text="Why, in words.")
    last_seen_at = serializers.DateTimeField(
        allow_null=True, help_text="When it last answered: UTC."
    )
    sampled_at = serializers.DateTimeField(allow_null=True, help_text="The figures' own time: UTC.")
    age_s = number("Seconds since `sampled_at`.")
    stale = serializers.BooleanField(help_text="Are the figures older than they should be?")
    maintenance = serializers.DictField(
        allow_null=True, help_text="`null`: it is in service. Else why, since when and by whom."
    )
    last_action = serializers.DictField(
        allow_null=True,
        help_text="What was last done to it from here: `job`, `action`, `status`, `by`, `reason`, "
        "`at`; `null`: nothing ever.",
    )
    is_simulated = serializers.BooleanField(help_text="Is it no real runtime but a simulated one?")


class TopologySerializer(PagedSerializer, LiveSerializer):
    """All nodes of the host list, by id."""

    nodes = NodeSerializer(many=True)
    stale = serializers.BooleanField(help_text="Has the collector missed its rounds?")
    connected = serializers.BooleanField(allow_null=True, help_text="Does any node answer?")
    cursor = integer("Number of the collector's round; rises with each.", null=False)
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Nodes in each state."
    )
    is_simulated = serializers.BooleanField(help_text="Is this a simulated cluster?")


class TopologyErrorSerializer(TopologySerializer, ErrorSerializer):
    """No node answers, or the collector does not run. The nodes are listed all the same."""


class SystemSerializer(LiveSerializer):
    """Sums over the workers of all nodes that answer."""

    connected = serializers.BooleanField(help_text="Does any node answer?")
    workers = integer(f"Worker threads; {NOT_KNOWN}")
    queued = integer(f"Tasks in their queues; {NOT_KNOWN}")
    blocked = integer(f"Tasks that wait for something; {NOT_KNOWN}")
    processed = integer(f"Tasks done since each runtime's start; {NOT_KNOWN}")
    nodes = integer("Nodes in the host list.", null=False)
    nodes_alive = integer("Nodes that answer.", null=False)
    nodes_counted = integer("Nodes whose workers are in the sums.", null=False)
    states = serializers.DictField(
        child=serializers.IntegerField(), help_text="Nodes in each state."
    )


class SystemErrorSerializer(ErrorSerializer):
    """No node answers, or the collector does not run; with the time of the last round."""

    sampled_at = serializers.DateTimeField(
        allow_null=True, required=False, help_text="When the last round ended: UTC."
    )
    age_s = serializers.FloatField(allow_null=True, required=False, help_text="Seconds since then.")
    connected = serializers.BooleanField(help_text="Always false.")
    nodes = integer("Nodes in the host list.", null=False)
    nodes_alive = integer("Nodes that answer.", null=False)
    states = serializers.DictField(
        child=serializers.IntegerField(), help_text="Nodes in each state."
    )


class WorkerSerializer(serializers.Serializer[object]):
    """One worker thread of a runtime."""

    node_id = integer("The node it belongs to.", null=False)
    worker_id = integer("Its number on that node.", null=False)
    is_running = serializers.BooleanField(allow_null=True, help_text="Is the thread running?")
    is_active = serializers.BooleanField(allow_null=True, help_text="Does it take tasks?")
    idle_iterations = integer("Rounds without work since its last task.")
    num_queued_tasks = integer("Tasks in its queue, now.")
    num_blocked_tasks = integer("Tasks that wait for something, now.")
    num_periodic_tasks = integer("Tasks that run again and again, now.")
    num_retry_tasks = integer("Tasks to be tried again, now.")
    num_tasks_processed = integer("Tasks done since the runtime's start, its own polling included.")
    load = number("Predicted work in its queue, microseconds.")
    suspend_period_us = integer("How long it sleeps when idle, microseconds.")


class WorkerSummarySerializer(serializers.Serializer[object]):
    """Sums over the workers of the same answer."""

    count = integer("Workers.", null=False)
    queued = integer("Tasks in their queues.")
    blocked = integer("Tasks that wait for something.")
    processed = integer("Tasks done since the runtime's start.")


class LastErrorSerializer(serializers.Serializer[object]):
    """Why there are no newer figures."""

    message = serializers.CharField(help_text="One sentence.")
    code = serializers.CharField(help_text="The same for machines.")
    at = serializers.DateTimeField(allow_null=True, help_text="When it was tried: UTC.")


class NodeFiguresSerializer(LiveSerializer):
    """Whose figures these are, and whether newer ones are missing."""

    node_id = integer("The node they come from; `null`: from several.")
    stale = serializers.BooleanField(help_text="Are the figures older than they should be?")
    last_error = LastErrorSerializer(required=False, help_text="Only when the last try failed.")


class WorkersSerializer(PagedSerializer, NodeFiguresSerializer):
    """The workers of a node, or of all nodes."""

    workers = WorkerSerializer(many=True)
    summary = WorkerSummarySerializer()


class FleetWorkersSerializer(WorkersSerializer):
    """The workers of the local node or, with `node=all`, of every node that answers."""

    nodes_missing = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        help_text="Only with `node=all`: ids of the nodes whose workers are not known.",
    )


class EntrySerializer(serializers.Serializer[object]):
    """One sample of a node's system figures; a runtime takes about one a second."""

    event_id = integer("Number of the sample; starts again at 0 with the runtime.", null=False)
    timestamp_ns = integer("Monotonic time since the machine's boot, nanoseconds.")
    wall_time_ns = integer("Unix time, nanoseconds.")
    node_id = integer("As the runtime says it.")
    hostname = serializers.CharField(allow_null=True, allow_blank=True, help_text="As it says it.")
    ip_address = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="As it says it."
    )
    is_leader = serializers.BooleanField(allow_null=True, help_text="Did it lead the cluster?")
    cpu_usage_pct = percentage("CPU in use; `null` in the first sample after a start")
    ram_usage_pct = percentage("Memory in use")
    ram_total_bytes = integer("Memory, bytes.")
    ram_available_bytes = integer("Memory that is free to use, bytes.")
    gpu_count = integer("GPUs; 0: it has none.")
    gpu_usage_pct = percentage("GPU in use")
    hbm_usage_pct = percentage("GPU memory in use")
    hbm_used_bytes = integer("GPU memory in use, bytes.")
    hbm_total_bytes = integer("GPU memory, bytes.")
    boot = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="Only with `from` or `to`: which start of the runtime the event id belongs to.",
    )


class SystemStatsSerializer(NodeFiguresSerializer):
    """Samples of the runtime's current start, oldest first."""

    entries = EntrySerializer(many=True)
    boot = integer(
        "Which start of the runtime the event ids belong to. When it changes, ask from 0 again."
    )
    last_event_id = integer("The newest sample's number; ask for this plus one next time.")
    to = serializers.DateTimeField(
        required=False, help_text="End of the range, where one was asked."
    )
    next_from = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Where a range was asked that holds more than 10,000 samples: go on from here.",
    )

    def get_fields(self) -> dict[str, Any]:
        start = serializers.DateTimeField(
            required=False, help_text="Start of the range, where one was asked."
        )
        return {**super().get_fields(), "from": start}


class NodeErrorSerializer(ErrorSerializer):
    """The node, or the whole cluster, can't be reached, or has not told these figures yet.

    With the time of the last figures known.
    """

    node_id = serializers.IntegerField(required=False, help_text="The node, when it is one.")
    state = serializers.ChoiceField(choices=STATES, required=False, help_text="That node's state.")
    state_since = serializers.DateTimeField(
        allow_null=True, required=False, help_text="Since when: UTC."
    )
    sampled_at = serializers.DateTimeField(
        allow_null=True, required=False, help_text="Time of the last figures known: UTC."
    )
    age_s = serializers.FloatField(allow_null=True, required=False, help_text="Seconds since then.")
