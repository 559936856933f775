"""A question that many ask at once is answered once, over real sockets."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.http import HttpResponse

from apps.common.repeats import Terms, answer_keep, answers_forget, question_of
from tests.platform.test_bridge import DEADLINE_S, served

CLIENTS = 8
LONG_S = 3600.0
TOKEN = {"Authorization": "Token one"}


class Application:
    """Answers with the number of the call. The second call waits, and may break."""

    def __init__(self, *, breaks: bool = False) -> None:
        self.calls = 0
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.breaks = breaks
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        question = question_of(environ)
        assert question is not None
        with self._lock:
            self.calls += 1
            call = self.calls
        if call == 2:
            self.begun.set()
            assert self.gate.wait(DEADLINE_S)
            if self.breaks:
                raise ZeroDivisionError
        headers = [("Content-Type", "text/plain"), ("X-Request-ID", f"number-of-call-{call}")]
        response = HttpResponse(str(call))
        # The first holds for no moment: it is known to be asked often, but no copy is given.
        now_s = time.time()
        until_s = now_s + (LONG_S if call > 1 else 0.0)
        response.portal_terms = Terms(now_s, until_s, None, [])  # type: ignore[attr-defined]
        start("200 OK", headers)
        answer_keep(question, "200 OK", headers, response)
        return response


def ask(port: int) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/", headers=TOKEN)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("X-Request-ID", "")
    finally:
        connection.close()


def ask_all(application: Application, port: int) -> list[tuple[int, bytes, str]]:
    """What each client gets, where all come while the second call is being made."""
    answers: list[tuple[int, bytes, str]] = []
    clients = [
        threading.Thread(target=lambda: answers.append(ask(port)), daemon=True)
        for _ in range(CLIENTS)
    ]
    clients[0].start()
    assert application.begun.wait(DEADLINE_S)
    for client in clients[1:]:
        client.start()
    time.sleep(0.2)  # they are to arrive; who came later would find the copy
    application.gate.set()
    for client in clients:
        client.join(DEADLINE_S)
    return answers


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    answers_forget()


def test_while_the_answer_is_made_the_others_wait_for_it() -> None:
    application = Application()
    with served(application) as port:
        assert ask(port)[:2] == (200, b"1")
        answers = ask_all(application, port)
    assert application.calls == 2
    assert [answer[:2] for answer in answers] == [(200, b"2")] * CLIENTS
    assert len({request_id for _, _, request_id in answers}) == CLIENTS


def test_where_it_breaks_they_ask_for_themselves() -> None:
    application = Application(breaks=True)
    with served(application) as port:
        ask(port)
        answers = ask_all(application, port)
    statuses = sorted(status for status, _, _ in answers)
    assert statuses == [200] * (CLIENTS - 1) + [500]
    assert application.calls > 2
