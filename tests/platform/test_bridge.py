"""The bridge between uvicorn and Django, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from clio_portal.single.bridge import BODY_LIMIT_BYTES, WsgiBridge
from clio_portal.single.threads import ElasticThreads

DEADLINE_S = 20.0
Start = Callable[[str, list[tuple[str, str]]], Any]


class Stream:
    """A streamed response as Django's: marked, iterated, closed."""

    streaming = True

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        self.closed.set()


class Application:
    """What the portal would be."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.endless = Stream(self._endless())

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/breaks":
            raise ZeroDivisionError
        if path == "/waits":
            self.gate.wait(DEADLINE_S)
        start("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", " a=1"), ("X-Two", "b")])
        if path == "/stream":
            return Stream(f"line {number}\n".encode() for number in range(3))
        if path == "/endless":
            return self.endless
        said = {key: value for key, value in environ.items() if isinstance(value, str)}
        said["body"] = environ["wsgi.input"].read().decode("latin-1")
        return [json.dumps(said).encode()]

    def _endless(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 65536


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


@contextmanager
def served(application: Callable[..., Iterable[bytes]]) -> Generator[int]:
    """Its port."""
    threads = ElasticThreads(name="bridge", base=2)
    server = uvicorn.Server(
        uvicorn.Config(
            WsgiBridge(application, threads),
            interface="asgi3",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(DEADLINE_S)
    threads.close()


@pytest.fixture(scope="module")
def port(application: Application) -> Generator[int]:
    with served(application) as port:
        yield port


@pytest.fixture
def connection(port: int) -> Generator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    yield connection
    connection.close()


def test_the_request_arrives_whole(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/n%C3%B6de/%2F?q=a%20b", b"x=1", {"Cookie": "a=1", "X-Thing": "y"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert answer.status == 200
    assert said["REQUEST_METHOD"] == "POST"
    assert said["PATH_INFO"].encode("latin-1").decode() == "/nöde//"
    assert said["QUERY_STRING"] == "q=a%20b"
    assert said["CONTENT_LENGTH"] == "3"
    assert said["HTTP_COOKIE"] == "a=1"
    assert said["HTTP_X_THING"] == "y"
    assert said["REMOTE_ADDR"] == "127.0.0.1"
    assert said["body"] == "x=1"


def test_the_answer_arrives_whole(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    assert answer.headers["Set-Cookie"] == "a=1"
    assert answer.headers["X-Two"] == "b"


def test_a_chunked_body_arrives(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", iter([b"ab", b"cd"]), encode_chunked=True)
    assert json.loads(connection.getresponse().read())["body"] == "abcd"


def test_one_connection_serves_many(connection: http.client.HTTPConnection) -> None:
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read()


def test_a_name_with_an_underscore_does_not_pass_for_another(
    connection: http.client.HTTPConnection,
) -> None:
    connection.putrequest("GET", "/")
    connection.putheader("X_Forwarded_For", "10.0.0.1")
    connection.endheaders()
    assert "HTTP_X_FORWARDED_FOR" not in json.loads(connection.getresponse().read())


def test_a_stream_arrives_chunk_by_chunk(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/stream")
    assert connection.getresponse().read() == b"line 0\nline 1\nline 2\n"


def test_a_stream_ends_when_nobody_reads_it(
    connection: http.client.HTTPConnection, application: Application
) -> None:
    connection.request("GET", "/endless")
    assert connection.getresponse().read(10) == b"x" * 10
    connection.close()
    assert application.endless.closed.wait(DEADLINE_S * 3)


def test_an_error_is_500_and_the_next_request_is_served(port: int) -> None:
    for path, status in (("/breaks", 500), ("/", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("GET", path)
        assert connection.getresponse().status == status
        connection.close()


def test_too_large_a_body_is_refused(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", b"x" * (BODY_LIMIT_BYTES + 1))
    assert connection.getresponse().status == 413


def test_requests_that_wait_do_not_hold_up_the_others(port: int, application: Application) -> None:
    waiting = []
    for _ in range(5):  # more than there are threads to begin with
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request("GET", "/waits")
        waiting.append(connection)
    quick = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    quick.request("GET", "/")
    assert quick.getresponse().status == 200
    quick.close()
    application.gate.set()
    for connection in waiting:
        assert connection.getresponse().status == 200
        connection.close()
