"""What many readers want at the same moment is made once, by one thread of one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import caches

Made = TypeVar("Made")

MAKER_MAY_TAKE_S = 2
"""A maker that died is replaced after this time."""
LOOK_EVERY_S = 0.01


def made_once(
    key: str,
    make: Callable[[], Made],
    *,
    lasts_s: int,
    believed: Callable[[Made, float], bool] = lambda found, waited_s: True,
) -> Made:
    """What is kept under `key`; made, if it is this caller's turn, and kept for `lasts_s`.

    The others wait for it meanwhile. `believed`: may what was found still be given out, after
    so many seconds of waiting? In the cache "live": where Redis is away, each makes its own.
    Never ``None``. What `make` raises is raised to its caller only.
    """
    cache, began = caches["live"], time.monotonic()
    while True:
        waited_s = time.monotonic() - began
        found: Made | None = cache.get(key)
        # One that was made while this one waited is welcome.
        if found is not None and believed(found, waited_s):
            return found
        if waited_s >= MAKER_MAY_TAKE_S or cache.add(_maker(key), 1, timeout=MAKER_MAY_TAKE_S):
            break
        time.sleep(LOOK_EVERY_S)
    return _made(key, make, lasts_s=lasts_s)


def newest_made(
    key: str, version: int, make: Callable[[], tuple[int, Made]], *, lasts_s: int
) -> tuple[int, Made]:
    """The version and what was made of it: `version` or a later one, or, while another makes
    that, the one before. Only who makes it waits, or who comes when nothing is kept.

    `make` gives the version that it found, and what it made of it.
    """
    cache = caches["live"]
    found: tuple[int, Made] | None = cache.get(key)
    if found is None:
        return made_once(key, make, lasts_s=lasts_s)
    if found[0] >= version or not cache.add(_maker(key), 1, timeout=MAKER_MAY_TAKE_S):
        return found

    def make_newer() -> tuple[int, Made]:
        made = make()
        # Who was slow, and was replaced meanwhile, must not put an older one over a newer one.
        held: tuple[int, Made] | None = cache.get(key)
        return made if held is None or held[0] <= made[0] else held

    return _made(key, make_newer, lasts_s=lasts_s)


def _made(key: str, make: Callable[[], Made], *, lasts_s: int) -> Made:
    cache = caches["live"]
    try:
        made = make()
        cache.set(key, made, timeout=lasts_s)
        return made
    finally:
        # Not deleted: that would fail while Redis is away.
        cache.set(_maker(key), 1, timeout=0)


def _maker(key: str) -> str:
    return f"{key}.maker"
