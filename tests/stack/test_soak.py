"""Which parts a soak kills, and in what order."""

from __future__ import annotations

import random
from itertools import islice

from chaos.soak import KILLS, kinds


def order(seed: int) -> list[str]:
    return list(islice(kinds(random.Random(seed)), 3 * len(KILLS)))


def test_every_kind_is_met_before_one_comes_again() -> None:
    for seed in range(20):
        found = order(seed)
        for start in range(0, len(found), len(KILLS)):
            assert sorted(found[start : start + len(KILLS)]) == sorted(KILLS)


def test_the_seed_gives_the_order() -> None:
    assert order(7) == order(7)
    assert len({tuple(order(seed)) for seed in range(20)}) > 1
