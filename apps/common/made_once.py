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
    maker = f"{key}.maker"
    while True:
        waited_s = time.monotonic() - began
        found: Made | None = cache.get(key)
        # One that was made while this one waited is welcome.
        if found is not None and believed(found, waited_s):
            return found
        if waited_s >= MAKER_MAY_TAKE_S or cache.add(maker, 1, timeout=MAKER_MAY_TAKE_S):
            break
        time.sleep(LOOK_EVERY_S)
    try:
        made = make()
        cache.set(key, made, timeout=lasts_s)
        return made
    finally:
        # Not deleted: that would fail while Redis is away.
        cache.set(maker, 1, timeout=0)
