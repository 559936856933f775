"""`system_stats` with `from` or `to`: the samples of that time, from the history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import QueryDict

from apps.cluster.api.live import iso
from apps.cluster.selectors import cluster_current
from apps.common.time import from_unix_ns
from apps.history.selectors import raw_entries
from apps.history.types import RawEntry
from apps.nodes.api.history.bodies import Fields
from apps.nodes.api.history.times import range_parse
from apps.nodes.models import Node
from apps.nodes.rows import shown_name
from apps.nodes.selectors import node_get
from apps.nodes.subjects import node_subject

MAX_ENTRIES = 10_000
"""Some three hours; a longer range goes on at `next_from`."""
NS_PER_MS = 1_000_000


def is_asked(given: QueryDict) -> bool:
    return "from" in given or "to" in given


def entries_body(node_id: int, given: QueryDict, *, at: datetime) -> Fields:
    """Contract Entries of a range of time, oldest first, whatever the node's state is now.

    The history keeps no monotonic clock: `timestamp_ns` is not known. Raises BadTime (400).
    """
    node = node_get(cluster_current(), node_id=node_id)
    start, end = range_parse(given.get("from"), given.get("to"), at=at)
    found = raw_entries(
        cluster_key=node.cluster_id,
        subject=node_subject(node.pk),
        start=start,
        end=end,
        limit=MAX_ENTRIES + 1,
    )
    listed = found[:MAX_ENTRIES]
    cut = from_unix_ns(found[MAX_ENTRIES].time_ms * NS_PER_MS) if len(found) > MAX_ENTRIES else None
    return {
        "entries": [_entry(one, node) for one in listed],
        "boot": listed[-1].boot if listed else None,
        "last_event_id": listed[-1].event_id if listed else None,
        "node_id": node_id,
        "stale": False,
        "from": iso(start),
        "to": iso(end),
        "next_from": iso(cut),
        "sampled_at": iso(_newest(listed)),
        "age_s": _age_s(_newest(listed), at=at),
    }


def _newest(listed: list[RawEntry]) -> datetime | None:
    return from_unix_ns(listed[-1].time_ms * NS_PER_MS) if listed else None


def _age_s(moment: datetime | None, *, at: datetime) -> float | None:
    return None if moment is None else max(at - moment, timedelta(0)).total_seconds()


def _entry(one: RawEntry, node: Node) -> dict[str, Any]:
    leads = one.values["is_leader"]
    return {
        "event_id": one.event_id,
        "timestamp_ns": None,
        "wall_time_ns": one.time_ms * NS_PER_MS,
        **{name: value for name, value in one.values.items() if name != "is_leader"},
        "hostname": shown_name(node.hostname, node.host),
        "ip_address": shown_name(node.ip_address, node.host),
        "node_id": node.node_id,
        "is_leader": None if leads is None else bool(leads),
        "boot": one.boot,
    }
