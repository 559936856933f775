"""System figures are decoded and stored before what other rounds have brought."""

from __future__ import annotations

import threading

from apps.collector.engine import Engine
from apps.runtime.wire.client import WireClient


def test_another_round_waits_while_a_system_round_stores() -> None:
    engine = Engine(WireClient())
    engine.live_first()  # nobody is in the way
    order: list[str] = []

    def another() -> None:
        engine.live_first()
        order.append("another round")

    thread = threading.Thread(target=another)
    with engine.live_work():
        thread.start()
        thread.join(0.2)
        order.append("system round")
    thread.join(30)
    engine.close()
    assert order == ["system round", "another round"]
