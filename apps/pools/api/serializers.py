"""Shapes of the answers, for the schema: every field with its unit and meaning."""

from __future__ import annotations

from rest_framework import serializers

from apps.cluster.api.serializers import LiveSerializer, PagedSerializer
from apps.nodes.api.serializers import NodeFiguresSerializer, integer, number


class PoolSerializer(serializers.Serializer[object]):
    """One pool: declared in the configuration's compose section, live, or both."""

    mod_name = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="The ChiMod that it is an instance of."
    )
    pool_name = serializers.CharField(allow_null=True, allow_blank=True, help_text="Its name.")
    pool_id = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="Its id, `major.minor`: text, not a number."
    )
    pool_query = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="Where it is created: `local`, `dynamic` …"
    )
    live = serializers.BooleanField(allow_null=True, help_text="Does it run? `null`: not known.")
    nodes = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of the nodes it runs on."
    )
    drift = serializers.CharField(
        allow_blank=True, help_text="How declared and live differ; empty: they do not."
    )


class PoolsSerializer(PagedSerializer, LiveSerializer):
    """The declared pools, and whether they run."""

    pools = PoolSerializer(many=True, help_text="The pools of the compose section, in its order.")
    undeclared = PoolSerializer(
        many=True, help_text="Pools that run and are not declared, the runtime's own included."
    )
    nodes = integer("Nodes in the host list.", null=False)
    nodes_known = integer("Nodes whose pools are known now; others may run more.", null=False)


class DeviceSerializer(serializers.Serializer[object]):
    """One block device of a node.

    Bandwidths and latencies are the runtime's own prediction, and before any I/O its
    starting guess: no measurement. Real throughput is in the `_per_s` fields.
    """

    pool_id = serializers.CharField(help_text="Id of its pool, `major.minor`.")
    pool_name = serializers.CharField(allow_null=True, allow_blank=True, help_text="Its name.")
    bdev_type = integer("0 file, 1 ram, 2 hbm, 3 pinned, 4 noop, 5 s3, 6 gcs.")
    total_capacity = integer("Bytes.")
    remaining_capacity = integer("Bytes still free.")
    read_bandwidth_mbps = number("Predicted, MB/s.")
    write_bandwidth_mbps = number("Predicted, MB/s.")
    read_latency_us = number("Predicted, microseconds.")
    write_latency_us = number("Predicted, microseconds.")
    iops = number("Predicted operations a second.")
    total_reads = integer("Reads since the runtime's start.")
    total_writes = integer("Writes since the runtime's start.")
    total_bytes_read = integer("Bytes read since the runtime's start.")
    total_bytes_written = integer("Bytes written since the runtime's start.")
    device_health = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="SMART data, as JSON text."
    )
    failure_prediction = serializers.CharField(
        allow_null=True, allow_blank=True, help_text="As JSON text."
    )
    predicted_ttl_days = integer("Days it is expected to last; 999999: there is no prediction.")
    read_bytes_per_s = number("Measured from the counters; `null`: needs two samples.")
    write_bytes_per_s = number("Measured from the counters; `null`: needs two samples.")
    reads_per_s = number("Measured from the counters; `null`: needs two samples.")
    writes_per_s = number("Measured from the counters; `null`: needs two samples.")


class DevicesSerializer(PagedSerializer, NodeFiguresSerializer):
    """The block devices of a node."""

    devices = DeviceSerializer(many=True)


class MethodSerializer(serializers.Serializer[object]):
    """What a container has learned about the cost of one method.

    Coefficient 1.0 with error 0.0 is the starting value: untrained, not perfect.
    """

    id = integer("The method's number.", null=False)
    name = serializers.CharField(help_text="Its name.")
    coefficient = number("Learned factor on its CPU cost.")
    mape = number("Mean absolute error of that, a ratio: 0.25 is 25 %.")
    wall_coefficient = number("Learned factor on its elapsed time.")
    wall_mape = number("Mean absolute error of that, a ratio.")


class ContainerSerializer(serializers.Serializer[object]):
    """A pool's part on one node."""

    pool_id = serializers.CharField(help_text="Id of its pool, `major.minor`.")
    pool_name = serializers.CharField(allow_null=True, allow_blank=True, help_text="Its pool.")
    chimod_name = serializers.CharField(allow_null=True, allow_blank=True, help_text="Its ChiMod.")
    container_id = integer("Its number in the pool.")
    learning_rate = number("How fast its model learns, from 0 to 1.")
    methods = MethodSerializer(many=True)


class ContainersSerializer(PagedSerializer, NodeFiguresSerializer):
    """The containers of a node."""

    containers = ContainerSerializer(many=True)
