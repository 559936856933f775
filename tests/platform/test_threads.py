"""The threads of the single mode's web server: few, but never all of them stuck."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from clio_portal.single.threads import ElasticThreads

DEADLINE_S = 20.0


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def test_quick_work_stays_with_the_first_threads() -> None:
    threads = ElasticThreads(name="quick", base=2)
    done = threading.Semaphore(0)
    for _ in range(200):
        threads.submit(lambda: done.release())
    for _ in range(200):
        assert done.acquire(timeout=DEADLINE_S)
    threads.relieve()
    threads.relieve()
    assert threads.count == 2
    threads.close()


def test_a_thread_is_added_when_all_wait_and_something_is_queued() -> None:
    threads = ElasticThreads(name="stuck", base=2)
    stuck, served = threading.Event(), threading.Event()
    begun = threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        stuck.wait(DEADLINE_S)

    for _ in range(2):
        threads.submit(wait)
    assert begun.acquire(timeout=DEADLINE_S)
    assert begun.acquire(timeout=DEADLINE_S)
    threads.relieve()  # notes that work was begun
    threads.relieve()
    assert threads.count == 2, "nothing is queued"
    threads.submit(served.set)
    threads.relieve()
    assert served.wait(DEADLINE_S)
    assert threads.count == 3
    stuck.set()
    threads.close()


def test_there_is_a_most() -> None:
    threads = ElasticThreads(name="most", base=1, most=3)
    stuck = threading.Event()

    def wait() -> None:
        stuck.wait(DEADLINE_S)

    for _ in range(10):
        threads.submit(wait)

    def grown() -> bool:
        threads.relieve()
        return threads.count == 3

    assert eventually(grown)
    for _ in range(5):
        threads.relieve()
    assert threads.count == 3
    stuck.set()
    threads.close()
    assert eventually(lambda: threads.count == 0)
