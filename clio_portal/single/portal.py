"""Starts the portal, serves until told to stop, and stops it in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Generator
from types import FrameType

import redis
import structlog
import uvicorn
import uvloop
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from apps.accounts.services import first_administrator_ensure
from apps.cluster.services import cluster_ensure
from apps.common.time import utc_now
from clio_portal.single.background import Background
from clio_portal.single.bridge import WsgiBridge
from clio_portal.single.lock import DataLock
from clio_portal.single.threads import ElasticThreads
from clio_portal.warm import warm_up
from clio_portal.wsgi import application

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 4.5
REQUESTS_MAY_TAKE_S = 1
BROKER_DEADLINE_S = 3.0
EXIT_HALF_DEAD = 1


class PortBusy(Exception):
    """Something else listens on the address."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"Can't listen on {host}:{port}: {error.strerror or error}.\n"
            f"Choose another port (--port {port + 1 if port < 65535 else 5000}), or stop what "
            "uses this one."
        )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are the portal's: it has more to stop than a web server."""
        yield


class Portal:
    """One portal: this process serves, its child polls and does what has time."""

    def __init__(self, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._lock = DataLock(settings.PORTAL_DATA_DIR)
        self._background = Background()
        self._threads = ElasticThreads(name="web")
        self._server = _Server(
            uvicorn.Config(
                WsgiBridge(application, self._threads),
                interface="asgi3",
                http="httptools",
                loop="uvloop",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the portal counts trusted proxies itself
                timeout_keep_alive=75,
                timeout_graceful_shutdown=REQUESTS_MAY_TAKE_S,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        self._stopping = False

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def run(self) -> int:
        """The exit code. Raises AlreadyRunning, PortBusy, RuntimeError before anything serves."""
        self._lock.acquire()
        listener = listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._lock.describe(address=self.url, at=utc_now())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._prepare()
        try:
            self._background.start(listener)
            warm_up()
            self._background.wait_ready()
            _say(f"CLIO Portal is at {self.url} (Ctrl-C stops it)")
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(self._serve(listener))
        finally:
            self._stop()

    async def _serve(self, listener: socket.socket) -> int:
        loop, ended = asyncio.get_running_loop(), self._background.sentinel
        failed = False

        def on_end() -> None:
            """Pages alone would show figures that only get older: somebody must look."""
            nonlocal failed
            loop.remove_reader(ended)
            if not self._stopping:
                failed = True
                log.error("the background process has ended by itself: the portal stops")
                self._server.should_exit = True

        loop.add_reader(ended, on_end)
        await self._server.serve(sockets=[listener])
        loop.remove_reader(ended)
        return EXIT_HALF_DEAD if failed else 0

    def _prepare(self) -> None:
        broker_check()
        call_command("migrate", interactive=False, verbosity=0)
        cluster_ensure(at=utc_now())
        first = first_administrator_ensure(at=utc_now())
        if first is not None:
            user, password = first
            _say(
                "\nThis is the portal's first start. Sign in as\n"
                f"    user name  {user.username}\n"
                f"    password   {password}\n"
                "It is shown this once only. Change it on your profile's page, or with: "
                "python manage.py portal_account --username "
                f"{user.username} --role administrator --password-stdin\n"
            )
        connections.close_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopping:  # a second Ctrl-C: now
            os._exit(128 + number)
        self._stopping = True
        self._server.should_exit = True
        if not self._server.started:
            raise SystemExit(0)  # still preparing: nothing to stop
        # A request or task in a system call can't be ended by force, only the process can.
        # What is stored is stored: a job's row says how far it came.
        watchdog = threading.Timer(STOP_WITHIN_S, os._exit, args=(0,))
        watchdog.daemon = True
        watchdog.start()

    def _stop(self) -> None:
        ended = self._background.stop()
        self._threads.close()
        self._lock.release()
        log.info("stopped", celery_ended=ended)


def broker_check() -> None:
    """Raises RuntimeError when there should be a broker and it does not answer."""
    if not settings.PORTAL_REDIS_URL:
        return
    client = redis.Redis.from_url(
        settings.PORTAL_REDIS_URL, socket_connect_timeout=BROKER_DEADLINE_S
    )
    try:
        client.ping()
    except redis.RedisError as error:
        raise RuntimeError(
            f"The broker of CLIO_PORTAL_REDIS_URL does not answer: {error}\n"
            "Start it, or unset the variable: the portal then does without."
        ) from error
    finally:
        client.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortBusy; the system's reason is in its text."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortBusy(host, port, error) from error
    listener.setblocking(False)
    return listener


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
