"""What a round asks each node."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from apps.collector.answers import QUERIES
from apps.collector.engine import Engine
from apps.collector.samples import BEYOND_ANY_EVENT, SampleCursor
from apps.nodes.models import FigureKind
from apps.runtime.queries import system_stats_query
from apps.runtime.scatter import Ask
from apps.runtime.types import Target

CATCH_UP_SAMPLES = 15_000
"""Samples of long answers taken per round, so that a thousand nodes that are all new do not
fill the memory at once; the other nodes are asked for a sign of life meanwhile. Such a round
takes up to 3 s, on purpose: a runtime keeps 18 minutes of samples, and a portal that was away
for 15 of them must have taken a thousand nodes' samples before the oldest are overwritten."""

CATCH_UP_NODES = (8, 512)
"""At least and at most so many nodes' long answers in a round."""


def asks_make(
    engine: Engine, targets: Mapping[int, Target], *, kind: str, at: datetime
) -> list[Ask]:
    """One question for each of `targets`, which are by node primary key."""
    if kind != FigureKind.SYSTEM:
        return [Ask(target, QUERIES[kind]) for target in targets.values()]
    cursors = {pk: engine.memory.cursors.get(pk, SampleCursor()) for pk in targets}
    long = _long_answers(engine, targets, cursors, at=at)
    return [
        Ask(
            target,
            system_stats_query(
                BEYOND_ANY_EVENT
                if cursors[pk].catches_up(at=at) and pk not in long
                else cursors[pk].next_event_id(at=at)
            ),
        )
        for pk, target in targets.items()
    ]


def _long_answers(
    engine: Engine,
    targets: Mapping[int, Target],
    cursors: Mapping[int, SampleCursor],
    *,
    at: datetime,
) -> set[int]:
    """Of the nodes that have a long answer ready, those to take it from in this round.

    Nodes that answer come first. One that does not is asked for a sign of life: were it
    only overloaded, hundreds of samples would be what it can do least.
    """
    least, most = CATCH_UP_NODES
    room = min(max(int(CATCH_UP_SAMPLES / max(engine.memory.long_answer, 1)), least), most)
    waiting = [pk for pk in targets if cursors[pk].catches_up(at=at)]
    waiting.sort(key=lambda pk: engine.scatter.breaker.is_failing(targets[pk]))
    return set(waiting[:room])
