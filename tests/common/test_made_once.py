"""Many ask at once, one makes it."""

from __future__ import annotations

import threading
import time

import pytest
from django.core.cache import caches

from apps.common import made_once as module
from apps.common.made_once import made_once

KEY = "tests.made_once"


@pytest.fixture(autouse=True)
def _empty() -> None:
    caches["live"].clear()


def test_threads_that_ask_at_once_get_what_one_of_them_made() -> None:
    made: list[int] = []
    got: list[int] = []

    def make() -> int:
        made.append(1)
        time.sleep(0.1)
        return len(made)

    threads = [
        threading.Thread(target=lambda: got.append(made_once(KEY, make, lasts_s=60)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, got) == ([1], [1] * 8)


def test_what_is_not_believed_any_more_is_made_again() -> None:
    assert made_once(KEY, lambda: "old", lasts_s=60) == "old"
    assert made_once(KEY, lambda: "new", lasts_s=60) == "old"
    newer = made_once(KEY, lambda: "new", lasts_s=60, believed=lambda found, _: found == "new")
    assert newer == "new"


def test_an_error_reaches_its_caller_and_the_next_one_tries_at_once() -> None:
    def fail() -> str:
        raise LookupError("nothing there")

    with pytest.raises(LookupError):
        made_once(KEY, fail, lasts_s=60)
    began = time.monotonic()
    assert made_once(KEY, lambda: "made", lasts_s=60) == "made"
    assert time.monotonic() - began < module.MAKER_MAY_TAKE_S
