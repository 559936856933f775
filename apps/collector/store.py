"""Write what a round brought: in bulk, within the transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet

from apps.collector.answers import Harvest, Identity
from apps.collector.clocks import skew_kept
from apps.collector.pairs import pairs_spent
from apps.nodes.models import LatestFigures, Node, SampleChunk
from apps.runtime.client import RuntimeClient
from apps.runtime.types import Connection, Target

SIMULATED_KEY = "simulated"
"""A simulated runtime marks its samples with this; a real one never does."""

BATCH = 500

_GOOD = (
    "figures",
    "sampled_at",
    "received_at",
    "answered_at",
    "latency_s",
    "clock_skew_s",
    "boot",
    "error_code",
    "error_message",
    "error_at",
)
_QUIET = ("answered_at", "latency_s", "error_code", "error_message", "error_at")
_FAILED = ("error_code", "error_message", "error_at")


def harvest_store(harvest: Harvest) -> None:
    """Figures and samples. A failure keeps the last good figures, and says why none are newer."""
    _upsert(harvest.good.values(), _GOOD)
    _upsert(harvest.quiet.values(), _QUIET)
    _upsert(harvest.failed.values(), _FAILED)
    SampleChunk.objects.bulk_create(harvest.chunks, batch_size=BATCH)


def _upsert(rows: Iterable[LatestFigures], update_fields: tuple[str, ...]) -> None:
    LatestFigures.objects.bulk_create(
        list(rows),
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["node", "kind"],
        update_fields=update_fields,
    )


Changes = dict[str, Any]
"""Field of a node → its new value."""


def identities_changed(
    nodes: Mapping[int, Node],
    identities: Mapping[int, Identity],
    *,
    client: RuntimeClient,
    targets: Mapping[int, Target],
) -> dict[int, Changes]:
    """By node: what it says of itself that is not what is stored of it.

    `nodes` are as read at the round's start.
    """
    changed: dict[int, Changes] = {}
    for node_pk, identity in identities.items():
        node = nodes[node_pk]
        connection = client.connection(targets[node_pk])
        told = _told(node, identity, connection)
        told["dialback_pairs_spent"] = pairs_spent(
            client,
            node_pk,
            boot=identity.boot,
            spent=connection.dialback_pairs_spent,
            stored=(node.boot, node.dialback_pairs_spent or 0),
        )
        changes = {name: value for name, value in told.items() if getattr(node, name) != value}
        if changes:
            changed[node_pk] = changes
    return changed


def identities_store(changed: Mapping[int, Changes]) -> None:
    """Nodes that change alike share one statement: every node changes once by itself, and after
    that little but the clocks' offsets does.
    """
    alike: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for node_pk, changes in changed.items():
        alike.setdefault(tuple(sorted(changes.items())), []).append(node_pk)
    for values, node_pks in alike.items():
        Node.objects.filter(pk__in=node_pks, retired_at=None).update(**dict(values))


def _told(node: Node, identity: Identity, connection: Connection) -> dict[str, Any]:
    told: dict[str, Any] = {
        "first_seen_at": node.first_seen_at or identity.answered_at,
        "boot": identity.boot,
        "wire_generation": connection.generation.value if connection.generation else "",
        "server_pid": connection.server_pid,
        "dialback_address": connection.dialback_address or "",
    }
    if identity.boot != node.boot:
        told["booted_at"] = identity.answered_at
    if identity.clock is not None:
        told["clock_skew_s"] = skew_kept(node.clock_skew_s, identity.clock)
    sample = identity.sample
    if sample is not None:
        told |= {
            "hostname": sample.hostname,
            "ip_address": sample.ip_address[:64],
            "is_leader": sample.is_leader,
            "is_simulated": sample.extra.get(SIMULATED_KEY) is True,
        }
    return told


def samples_prune(old: QuerySet[SampleChunk], *, batch: int = 2000, at_most: int = 100_000) -> int:
    """Delete these samples, a few at a time so that no writer waits long."""
    deleted = 0
    while deleted < at_most:
        keys = list(old.order_by("pk").values_list("pk", flat=True)[:batch])
        if not keys:
            break
        SampleChunk.objects.filter(pk__in=keys).delete()
        deleted += len(keys)
    return deleted
