"""The single mode's background process: what the web server hands to it, and their ends."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import structlog
from kombu.exceptions import OperationalError as BrokerError

from apps.control.services.dispatch import RUN_TASK
from clio_portal.celery import app
from clio_portal.single import background
from clio_portal.single.background import Background, Message, Relay
from tests.platform.single import STOP_DEADLINE_S, SinglePortal, ended

pytestmark = pytest.mark.xdist_group("single")
OPTIONS: dict[str, Any] = {"queue": "control", "retry": False}


@pytest.fixture
def pipe() -> Generator[tuple[int, int]]:
    """The end to read from, and the end to write to. A test may close either."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


@pytest.fixture
def relayed(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> int:
    """Celery hands tasks on, as in the web server's process. The end where they arrive."""
    read, write = pipe
    monkeypatch.setattr(app, "relay", Relay(write).send)
    return read


def received(read: int) -> list[Message]:
    return [Message.of(line) for line in os.read(read, 65536).splitlines()]


def test_a_task_arrives_with_the_request_that_it_is_done_for(relayed: int) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        sent = app.send_task(RUN_TASK, args=(7,), **OPTIONS)
    app.send_task(RUN_TASK, kwargs={"pk": 8}, **OPTIONS)
    first, second = received(relayed)
    assert (first.task, first.args, first.request_id) == (RUN_TASK, [7], "request-1")
    assert first.options == OPTIONS | {"task_id": sent.id}
    assert (second.args, second.kwargs, second.request_id) == ([], {"pk": 8}, None)
    assert second.options["task_id"] != sent.id


def test_what_arrives_is_sent_on_under_the_same_ids(
    relayed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        app.send_task(RUN_TASK, args=(7,), **OPTIONS)
    (message,) = received(relayed)
    sent: list[tuple[object, ...]] = []

    def send_task(name: str, args: object, kwargs: object, **options: object) -> None:
        request_id = structlog.contextvars.get_contextvars()["request_id"]
        sent.append((name, args, kwargs, options, request_id))

    monkeypatch.setattr(app, "send_task", send_task)
    background._publish(message)
    assert sent == [(RUN_TASK, [7], {}, message.options, "request-1")]


def test_a_background_that_takes_nothing_is_like_a_broker_that_is_away(relayed: int) -> None:
    """Nobody waits for it; what had room is still there, whole."""
    taken = 0
    with pytest.raises(BrokerError, match="takes no messages"):
        while True:
            app.send_task(RUN_TASK, args=(taken,), **OPTIONS)
            taken += 1
    arrived: list[Message] = []
    while select.select([relayed], [], [], 0)[0]:
        arrived += received(relayed)
    assert [message.args for message in arrived] == [[number] for number in range(taken)]
    assert taken > 100


def test_one_that_is_gone_too(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = pipe
    monkeypatch.setattr(app, "relay", Relay(write).send)
    os.close(read)
    with pytest.raises(BrokerError, match="is gone"):
        app.send_task(RUN_TASK, args=(7,), **OPTIONS)


def test_after_the_stop_nothing_is_written_to_whatever_has_the_number_now(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = pipe
    elsewhere, there = os.pipe()
    relay = Relay(write)
    monkeypatch.setattr(app, "relay", relay.send)
    relay.stop()
    assert os.read(read, 100) == background.STOP
    os.dup2(there, write)
    with pytest.raises(BrokerError, match="the portal stops"):
        app.send_task(RUN_TASK, args=(7,), **OPTIONS)
    assert select.select([elsewhere], [], [], 0)[0] == []
    os.close(elsewhere)
    os.close(there)


def test_a_message_that_could_arrive_in_parts_is_refused(relayed: int) -> None:
    with pytest.raises(BrokerError, match="too long"):
        app.send_task(RUN_TASK, args=("x" * select.PIPE_BUF,), **OPTIONS)
    assert select.select([relayed], [], [], 0)[0] == []


def test_what_was_not_started_needs_no_stop() -> None:
    never = Background()
    assert never.stop()
    with pytest.raises(RuntimeError, match="not started"):
        never.wait_ready()


@pytest.fixture
def portal(tmp_path: Path) -> Generator[SinglePortal]:
    with SinglePortal(tmp_path) as portal:
        yield portal


def test_a_portal_without_it_stops_and_says_so(portal: SinglePortal) -> None:
    """Pages alone would show figures that only get older."""
    portal.background().kill()
    assert portal.process is not None
    assert portal.process.wait(STOP_DEADLINE_S) == 1
    assert "the background process has ended by itself" in portal.text()


def test_one_that_hangs_does_not_keep_the_portal(portal: SinglePortal) -> None:
    child = portal.background()
    child.suspend()
    assert portal.stop(signal.SIGTERM) == 0
    assert ended(child)
