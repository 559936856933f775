"""What the collector does: rounds, the watch over the configuration, and upkeep."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Max, Min

from apps.audit.services import Actor, AuditTarget, audit_record
from apps.cluster.services import ConfigCheck, cluster_ensure, cluster_touch, config_check
from apps.collector.crew import crew_leave
from apps.collector.engine import Engine, engine_close, engine_get, engine_held
from apps.collector.history.upkeep import Kept, history_upkeep
from apps.collector.models import HistoryFeed
from apps.collector.recent import Recent
from apps.collector.rounds import RoundResult, round_run
from apps.collector.store import samples_prune
from apps.history.services import collection_mark, retention_limits
from apps.nodes.models import FigureKind, Node, SampleChunk
from apps.nodes.services import nodes_sync

SAMPLES_KEPT = timedelta(minutes=20)
"""As far back as a runtime's own ring reaches; longer ago is history's."""

SAMPLES_WAIT = timedelta(days=1)
"""How long samples wait for a history that can't take them."""

_recent = Recent()


def config_watch(*, at: datetime) -> ConfigCheck:
    """Look at the configuration once, store what changed, and follow the host list."""
    cluster = cluster_ensure(at=at)
    check = config_check(cluster, at=at, env=os.environ, home=Path.home())
    if check.targets is not None and nodes_sync(cluster, targets=check.targets, at=at).changed:
        cluster_touch(cluster)
    return check


def collect(*, kind: str, at: datetime, engine: Engine | None = None) -> RoundResult | None:
    """One round of `kind` with this process's engine; see `round_run`.

    Where no node is known yet, the configuration is looked at first, so that a portal that
    has just been started asks at once.
    """
    if not Node.objects.present().exists():
        config_watch(at=at)
    result = round_run(engine or engine_get(), kind=kind, at=at)
    if result is not None and kind == FigureKind.SYSTEM:
        collection_mark(cluster_key=result.cluster_pk, at=at)
    return result


def collector_leave() -> None:
    """This process polls no more: its nodes are free for the others at once.

    Raises DatabaseError when the database is away; then the others find out by its silence.
    """
    engine = engine_held()
    if engine is not None:
        engine_close()
        crew_leave(engine.crew)


def maintain(*, at: datetime, mono: float | None = None) -> int:
    """Delete what is no longer needed. Returns the number of sample rows deleted.

    Samples that the history does not hold yet wait for it, but not for ever. `mono` is the
    monotonic clock's reading, in seconds; by default it is read now.
    """
    kept = history_upkeep(at=at)
    if kept.removed:
        history_removal_record(kept, at=at)
    fed_to = HistoryFeed.objects.aggregate(Min("chunk_position"))["chunk_position__min"] or 0
    newest = SampleChunk.objects.aggregate(Max("pk"))["pk__max"] or 0
    old = _recent.older_than(
        SAMPLES_KEPT.total_seconds(),
        newest=newest,
        mono=time.monotonic() if mono is None else mono,
    )
    fed = samples_prune(SampleChunk.objects.filter(pk__lte=min(old, fed_to)))
    return fed + samples_prune(SampleChunk.objects.filter(last_at__lt=at - SAMPLES_WAIT))


def history_removal_record(kept: Kept, *, at: datetime) -> None:
    """Figures left the history for their age or its size: about once an hour."""
    audit_record(
        action="history.retention",
        actor=Actor.portal(),
        target=AuditTarget("history", "", "history"),
        after={"removed_rows": kept.removed, **asdict(retention_limits())},
        at=at,
    )
