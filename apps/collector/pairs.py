"""How many connections the portal has spent on each runtime process, across its own restarts.

A client counts what it has spent itself, and begins anew with the portal. A runtime of 2.2
counts for its whole life, so the number that is stored with the node goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from apps.runtime.client import RuntimeClient


@dataclass(slots=True)
class _Count:
    boot: int | None
    before: int
    """Spent on this process before `last` began to be counted."""
    last: int


_counts: WeakKeyDictionary[RuntimeClient, dict[int, _Count]] = WeakKeyDictionary()


def pairs_spent(
    client: RuntimeClient,
    node_pk: int,
    *,
    boot: int | None,
    spent: int,
    stored: tuple[int | None, int],
) -> int:
    """All pairs spent on the runtime process `boot` of a node.

    `spent`: by `client`, as it counts. `stored`: of the node, the boot and its pairs as they
    were stored last; what another client had spent on the same process is in it.
    """
    counts = _counts.setdefault(client, {})
    count = counts.get(node_pk)
    stored_boot, stored_pairs = stored
    known = stored_pairs if stored_boot == boot else 0
    if count is None or count.boot != boot:
        count = counts[node_pk] = _Count(boot, known, 0)
    if spent < count.last:
        count.before += count.last  # its link was made anew, and counts from the start
    # Another member of the crew may have had the node meanwhile.
    count.before = max(count.before, known - count.last)
    count.last = spent
    return count.before + spent
