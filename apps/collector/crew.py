"""Which nodes this process polls: the cluster's nodes are shared out among its collectors.

A collecting process is a member: a row with a pulse that it raises with every round of
system figures, and with all that such a round stores. One whose system rounds hang does not
know who is alive, however well its other rounds go on. Nodes fall into `SHARDS` shards by
their primary key, and each shard belongs to one member. A member that has too few takes what
is free; one that has too many hands shards over after a round, so that their nodes are polled
at the next one as usual; one that leaves frees its shards; one whose pulse stands still is
removed by any other.

No clock is compared: a pulse stands still when another member, by its own monotonic clock,
has seen the same number for `lease_s`. What a removed member still brings is not stored:
storing holds its row (`crew_holds`), and removing it waits for that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Mod

from apps.cluster.models import Cluster
from apps.collector.models import CollectorMember, CollectorShard
from apps.collector.whereabouts import place, process_is_gone
from apps.nodes.freshness import interval_s
from apps.nodes.models import FigureKind, Node

SHARDS = 60
"""Divides evenly among 1 to 6, 10, 12, 15, 20 and 30 processes."""
LEAST_LEASE_S = 8.0


def lease_s() -> float:
    """How long a member may be silent: four rounds."""
    return max(LEAST_LEASE_S, 4 * interval_s(FigureKind.SYSTEM))


@dataclass(slots=True)
class _Pulse:
    number: int
    since_mono: float


@dataclass(slots=True)
class Crew:
    """What one process knows of itself and the others. Only its system rounds change it."""

    holder: str
    place: str = field(default_factory=place)
    pid: int = field(default_factory=os.getpid)
    member_pk: int | None = None
    """Its row; ``None`` before the first round, and when it was removed."""
    has_joined: bool = False
    """Once at least. The first time a round of any kind may do it; later only the system's."""
    shards: frozenset[int] = frozenset()
    members: tuple[int, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)
    """To be held for `crew_join`: at the start, rounds of all kinds begin at once."""
    _pulses: dict[int, _Pulse] = field(default_factory=dict)
    _looked_mono: float | None = None

    def lost(self) -> None:
        """Others took this process for dead."""
        self.member_pk, self.shards = None, frozenset()

    @property
    def own_pk(self) -> int:
        """Of a process that has joined."""
        if self.member_pk is None:
            raise RuntimeError("This process has not joined the collectors.")
        return self.member_pk

    @property
    def has_all(self) -> bool:
        return len(self.shards) == SHARDS

    def silent(self, pulses: Mapping[int, int], *, mono: float) -> list[int]:
        """Members whose pulse stood still for too long; `pulses` are as just read.

        If this process itself did not look for a while (the database was away, say), it
        can't tell who was silent meanwhile, and begins anew.
        """
        limit_s = lease_s()
        away = self._looked_mono is not None and mono - self._looked_mono > limit_s / 2
        self._looked_mono = mono
        known = {} if away else self._pulses
        self._pulses = {
            pk: known[pk]
            if pk in known and known[pk].number == number
            else _Pulse(number, since_mono=mono)
            for pk, number in pulses.items()
        }
        return [
            pk
            for pk, pulse in self._pulses.items()
            if pk != self.member_pk and mono - pulse.since_mono > limit_s
        ]


def quota(members: Sequence[int], member: int) -> int:
    """How many shards are `member`'s fair share; the shares of all make up `SHARDS`."""
    each, over = divmod(SHARDS, len(members))
    return each + (sorted(members).index(member) < over)


def crew_join(crew: Crew, cluster: Cluster, *, at: datetime, mono: float) -> None:
    """Raise the pulse, remove who is dead, take what is free. Sets `crew.shards`.

    `mono` is a monotonic clock's reading, in seconds.
    """
    _pulse(crew, cluster, at=at)
    rows = {row.pk: row for row in CollectorMember.objects.filter(cluster=cluster)}
    silent = crew.silent({pk: row.pulse for pk, row in rows.items()}, mono=mono)
    gone = [
        row
        for pk, row in rows.items()
        if pk != crew.member_pk and (pk in silent or process_is_gone(row.place, row.pid))
    ]
    owners = _owners(cluster)
    members = tuple(pk for pk in rows if pk not in {row.pk for row in gone})
    mine = frozenset(number for number, owner in owners.items() if owner == crew.member_pk)
    free = any(owner is None for owner in owners.values())
    lacks = len(mine) < quota(members, crew.own_pk)
    if gone or len(owners) < SHARDS or (free and lacks):
        mine = _take(crew, cluster, gone, members)
    crew.shards, crew.members = mine, members


def _pulse(crew: Crew, cluster: Cluster, *, at: datetime) -> None:
    mine = CollectorMember.objects.filter(holder=crew.holder)
    if crew.member_pk is None or not mine.update(pulse=F("pulse") + 1, seen_at=at):
        row = CollectorMember.objects.create(
            cluster=cluster,
            holder=crew.holder,
            place=crew.place,
            pid=crew.pid,
            joined_at=at,
            seen_at=at,
        )
        crew.member_pk, crew.has_joined = row.pk, True


def _owners(cluster: Cluster) -> dict[int, int | None]:
    return dict(CollectorShard.objects.filter(cluster=cluster).values_list("number", "member_id"))


def _take(
    crew: Crew, cluster: Cluster, gone: Iterable[CollectorMember], members: Sequence[int]
) -> frozenset[int]:
    """Free the shards of those that are gone, and take this member's share of what is free."""
    CollectorShard.objects.bulk_create(
        [CollectorShard(cluster=cluster, number=number) for number in range(SHARDS)],
        ignore_conflicts=True,
    )
    with transaction.atomic():
        _alone(cluster)
        for row in gone:
            _remove(row)
        owners = _owners(cluster)
        mine = [number for number, owner in owners.items() if owner == crew.member_pk]
        free = [number for number, owner in sorted(owners.items()) if owner is None]
        taken = free[: max(quota(members, crew.own_pk) - len(mine), 0)]
        CollectorShard.objects.filter(cluster=cluster, number__in=taken).update(
            member=crew.member_pk
        )
    return frozenset([*mine, *taken])


def _alone(cluster: Cluster) -> None:
    """One at a time changes who has which shard."""
    CollectorShard.objects.select_for_update().get(cluster=cluster, number=0)


def _remove(row: CollectorMember) -> None:
    """Unless it has moved since, or is just storing something: then look again next time."""
    still = CollectorMember.objects.select_for_update(skip_locked=True).filter(
        pk=row.pk, pulse=row.pulse
    )
    for member in still:
        member.delete()


def crew_hand_over(crew: Crew, cluster: Cluster) -> None:
    """After a round: give what is over the fair share to those that have less."""
    if crew.member_pk is None or len(crew.members) < 2:
        return
    over = len(crew.shards) - quota(crew.members, crew.member_pk)
    if over <= 0:
        return
    mine = sorted(crew.shards)
    # Spread out, as neighbouring nodes' keys follow each other.
    given = [mine[index * len(mine) // over] for index in range(over)]
    with transaction.atomic():
        _alone(cluster)
        owned = list(_owners(cluster).values())
        there = CollectorMember.objects.select_for_update(skip_locked=True, no_key=True)
        for heir in there.filter(pk__in=crew.members).values_list("pk", flat=True):
            lacks = max(quota(crew.members, heir) - owned.count(heir), 0)
            numbers, given = given[:lacks], given[lacks:]
            CollectorShard.objects.filter(
                cluster=cluster, number__in=numbers, member=crew.member_pk
            ).update(member=heir)
            crew.shards -= frozenset(numbers)


def crew_leave(crew: Crew) -> None:
    """Free this process's shards: the others take them at their next round."""
    if crew.member_pk is not None:
        CollectorMember.objects.filter(pk=crew.member_pk).delete()
    crew.lost()


def crew_holds(member_pk: int, *, is_pulse: bool) -> bool:
    """Is it still a member? Within a transaction: and it stays one until the end.

    `is_pulse`: what is stored is a sign of life, too. A round over many nodes on a busy
    machine may take long.
    """
    row = CollectorMember.objects.filter(pk=member_pk)
    if is_pulse:
        return bool(row.update(pulse=F("pulse") + 1))
    return bool(row.select_for_update(no_key=True).values_list("pk", flat=True))


def crew_others(crew: Crew, cluster: Cluster) -> QuerySet[Node]:
    """The present nodes that other processes poll, or nobody."""
    nodes: QuerySet[Node] = Node.objects.present().filter(cluster=cluster)
    if crew.has_all:
        return nodes.none()
    return nodes.annotate(shard=Mod(F("pk"), SHARDS)).exclude(shard__in=crew.shards)


def crew_nodes(crew: Crew, cluster: Cluster) -> QuerySet[Node]:
    """The present nodes that this process polls."""
    nodes: QuerySet[Node] = Node.objects.present().filter(cluster=cluster)
    if crew.has_all:
        return nodes
    return nodes.annotate(shard=Mod(F("pk"), SHARDS)).filter(shard__in=crew.shards)
