"""Many ask at once, one makes it."""

from __future__ import annotations

import threading
import time

import pytest
from django.core.cache import caches

from apps.common import made_once as module
from apps.common.made_once import made_once, newest_made

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


def test_while_one_makes_the_newer_the_others_get_the_one_before() -> None:
    begun, go = threading.Event(), threading.Event()

    def slow() -> tuple[int, str]:
        begun.set()
        go.wait(30)
        return 2, "two"

    def never() -> tuple[int, str]:
        raise AssertionError("another one makes it")

    assert newest_made(KEY, 1, lambda: (1, "one"), lasts_s=60) == (1, "one")
    assert newest_made(KEY, 1, never, lasts_s=60) == (1, "one")
    got: list[tuple[int, str]] = []
    maker = threading.Thread(target=lambda: got.append(newest_made(KEY, 2, slow, lasts_s=60)))
    maker.start()
    assert begun.wait(30)
    assert newest_made(KEY, 2, never, lasts_s=60) == (1, "one")
    go.set()
    maker.join()
    assert got == [(2, "two")]
    assert newest_made(KEY, 2, never, lasts_s=60) == (2, "two")
    assert newest_made(KEY, 1, never, lasts_s=60) == (2, "two"), "never an older one again"


def test_a_maker_that_fails_leaves_the_one_before() -> None:
    def fail() -> tuple[int, str]:
        raise LookupError("nothing there")

    newest_made(KEY, 1, lambda: (1, "one"), lasts_s=60)
    with pytest.raises(LookupError):
        newest_made(KEY, 2, fail, lasts_s=60)
    assert newest_made(KEY, 2, lambda: (2, "two"), lasts_s=60) == (2, "two")


def test_a_maker_that_was_replaced_puts_no_older_one_over_a_newer_one() -> None:
    def slow() -> tuple[int, str]:
        caches["live"].set(KEY, (3, "three"), timeout=60)  # another took its place meanwhile
        return 2, "two"

    newest_made(KEY, 1, lambda: (1, "one"), lasts_s=60)
    assert newest_made(KEY, 2, slow, lasts_s=60) == (3, "three")
    assert caches["live"].get(KEY) == (3, "three")
