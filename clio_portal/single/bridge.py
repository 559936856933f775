"""Lets uvicorn, which speaks ASGI, serve Django's WSGI application from threads.

Django's own ASGI handler hops between threads several times a request where views are
not asynchronous, as ours are: measured, it costs four times as much.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from apps.common.repeats import (
    Question,
    answer_again,
    is_asked_often,
    question_of,
    raw_headers,
)
from apps.common.request_context import REQUEST_ID_HEADER, request_id_of
from clio_portal.single.threads import STALLED_S, ElasticThreads

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

BODY_LIMIT_BYTES = 8 * 1024 * 1024
"""Django has its own, lower limits; this one keeps a body out of memory."""
TOO_LARGE = b'{"error": "The request is too large.", "code": "body_too_large"}'
TOO_LARGE_HEADERS = [
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),
]
RAW_ID_HEADER = REQUEST_ID_HEADER.lower().encode()
CHUNK_DEADLINE_S = 30.0
"""A client that takes none of a streamed answer for so long is given up."""


class WsgiBridge:
    """An ASGI application around a WSGI one."""

    def __init__(self, application: WsgiApplication, threads: ElasticThreads) -> None:
        self._application = application
        self._threads = threads
        self._waiting = 0
        self._making: dict[bytes, asyncio.Event] = {}
        self._watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"The portal does not speak {scope['type']}.")
        body = await _body(receive)
        if body is None:
            await _send_whole(send, 413, TOO_LARGE_HEADERS, TOO_LARGE)
            return
        environ = environ_of(scope, body)
        question = question_of(environ)
        if question is None or not is_asked_often(question):
            await self._exchange(environ, receive, send)
        elif not await self._send_copy(question, environ, send):
            with self._made(question):
                await self._exchange(environ, receive, send)

    async def _send_copy(self, question: Question, environ: dict[str, Any], send: Send) -> bool:
        """Answer with a copy, without a thread. While the next answer is being made for one, the
        others wait for it instead of making their own.
        """
        answer = answer_again(question)
        if answer is None and (made := self._making.get(question.digest)) is not None:
            await made.wait()
            answer = answer_again(question)
        if answer is None:
            return False
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", "")).encode("latin-1")
        headers = [*answer.raw_headers, (RAW_ID_HEADER, request_id)]
        await _send_whole(send, _status(answer.status), headers, answer.body)
        return True

    @contextmanager
    def _made(self, question: Question) -> Generator[None]:
        made = self._making.setdefault(question.digest, asyncio.Event())
        try:
            yield
        finally:
            self._making.pop(question.digest, None)
            made.set()

    async def _exchange(self, environ: dict[str, Any], receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        exchange = _Exchange(self._application, environ, loop, receive, send, done)
        self._waiting += 1
        if self._watch is None:
            self._watch = loop.create_task(self._relieve())
        self._threads.submit(exchange.run)
        try:
            await done
        finally:
            self._waiting -= 1

    async def _relieve(self) -> None:
        """Runs only while requests are under way: an idle portal wakes for nothing."""
        while self._waiting:
            await asyncio.sleep(STALLED_S)
            self._threads.relieve()
        self._watch = None


class _Exchange:
    """One request: called in a thread, answers on the loop."""

    def __init__(
        self,
        application: WsgiApplication,
        environ: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        send: Send,
        done: asyncio.Future[None],
    ) -> None:
        self._application = application
        self._environ = environ
        self._loop = loop
        self._receive = receive
        self._send = send
        self._done = done
        self._gone = False
        self._status = 500
        self._headers: list[tuple[bytes, bytes]] = []

    def run(self) -> None:
        try:
            self._respond()
        except Exception as error:  # noqa: BLE001 - the boundary: uvicorn answers 500
            self._finish(error)

    def _respond(self) -> None:
        response = self._application(self._environ, self._start)
        try:
            if getattr(response, "streaming", False):
                self._stream(response)
                self._finish(None)
                return
            body = b"".join(response)
        finally:
            close = getattr(response, "close", None)
            if close is not None:
                close()
        self._loop.call_soon_threadsafe(self._answer, body)

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        self._status = _status(status)
        self._headers = raw_headers(headers)
        return _no_write

    def _stream(self, chunks: Iterable[bytes]) -> None:
        """Chunk by chunk, each taken by the client's socket before the next is made."""
        self._now(_start_message(self._status, self._headers))
        watch = asyncio.run_coroutine_threadsafe(self._watch_client(), self._loop)
        try:
            self._send_chunks(chunks)
        finally:
            watch.cancel()

    def _send_chunks(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            if self._gone:
                return
            self._now({"type": "http.response.body", "body": chunk, "more_body": True})
        self._now({"type": "http.response.body", "body": b""})

    async def _watch_client(self) -> None:
        """uvicorn drops what is sent to a client that has left, and says nothing."""
        message = await self._receive()
        self._gone = message["type"] == "http.disconnect"

    def _now(self, message: Message) -> None:
        sent = asyncio.run_coroutine_threadsafe(_awaited(self._send, message), self._loop)
        sent.result(timeout=CHUNK_DEADLINE_S)

    def _answer(self, body: bytes) -> None:
        task = self._loop.create_task(_send_whole(self._send, self._status, self._headers, body))
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        if not self._done.done():
            error = task.exception()
            if error is None:
                self._done.set_result(None)
            else:
                self._done.set_exception(error)

    def _finish(self, error: Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._finished, error)

    def _finished(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)


async def _awaited(send: Send, message: Message) -> None:
    await send(message)


async def _send_whole(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    await send(_start_message(status, headers))
    await send({"type": "http.response.body", "body": body})


def _start_message(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _status(line: str) -> int:
    return int(line.split(" ", maxsplit=1)[0])


async def _body(receive: Receive) -> bytes | None:
    """The request's body; ``None`` when it is too large."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT_BYTES:
            return None
    return body


def environ_of(scope: Message, body: bytes) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an ASGI request."""
    host, port = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").upper()
        if "_" in name:
            continue  # X_Forwarded_For would pass for X-Forwarded-For
        name = name.replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(len(body))  # a chunked body came without one
    return environ


def _no_write(data: bytes) -> object:
    raise NotImplementedError("Django does not use WSGI's write().")
