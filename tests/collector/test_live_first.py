"""System figures are decoded and stored before what other rounds have brought."""

from __future__ import annotations

import threading
import time

from apps.collector.engine import Engine
from apps.nodes.models import FigureKind
from apps.runtime.wire.client import WireClient


def test_other_rounds_wait_for_a_system_round_and_for_each_other() -> None:
    engine = Engine(WireClient())
    order: list[str] = []
    inside = 0

    def another(name: str) -> None:
        nonlocal inside
        with engine.other_work():
            inside += 1
            time.sleep(0.05)
            order.append(f"{name}, {inside} at a time")
            inside -= 1

    threads = [threading.Thread(target=another, args=(name,)) for name in ("a", "b")]
    with engine.live_work():
        for thread in threads:
            thread.start()
        threads[0].join(0.2)
        order.append("system round")
    for thread in threads:
        thread.join(30)
    engine.close()
    assert order[0] == "system round"
    assert sorted(order[1:]) == ["a, 1 at a time", "b, 1 at a time"]


def test_another_round_begins_after_the_system_round_of_the_same_tick() -> None:
    engine = Engine(WireClient())
    engine.live_begins()  # there is none
    order: list[str] = []

    def another() -> None:
        engine.live_begins()
        order.append("another round")

    thread = threading.Thread(target=another)
    thread.start()  # its tick came a moment earlier
    with engine.turn(FigureKind.SYSTEM) as free:
        thread.join(0.3)
        order.append("system round")
    thread.join(30)
    engine.close()
    assert free
    assert order == ["system round", "another round"]
