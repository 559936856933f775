"""What a process that serves or collects does once, when all is loaded."""

from __future__ import annotations

import gc
import sys

from django.urls import get_resolver

SWITCH_S = 0.0002
"""Python's own 5 ms would add up: an answer goes through several threads, and a thread that
waits for its turn may hold a lock of the database. Measured with 32 clients beside four busy
runtimes: the slowest hundredth waits 50 to 100 ms; with 1 ms it was 60 to 230."""
YOUNG_OBJECTS = 5_000
"""Python's own 700 looks for garbage at every few requests."""


def warm_up() -> None:
    """For what serves pages: load what the first request would, then `heap_settle`; and let
    threads take turns more often.
    """
    _ = get_resolver().url_patterns  # imports the views and all that they use
    heap_settle()
    sys.setswitchinterval(SWITCH_S)


def heap_settle() -> None:
    """Take what is loaded out of the search for garbage.

    Some 200,000 objects of Django and of the portal live as long as the process. Python would
    walk through all of them every few seconds under load, for 70 to 230 ms (measured), while
    every request waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
