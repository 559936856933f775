"""A load generator for one URL: clients that ask again as soon as they are answered.

    python -m bench.load http://127.0.0.1:5000/api/topology --token SECRET --clients 32

Each client keeps one connection open. Prints one JSON object. One process of this makes
some ten thousand requests a second; `generator_cpu` tells whether it was the bottleneck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
WARM_UP_S = 1.0
ANSWER_WITHIN_S = 30.0


@dataclass(slots=True)
class Tally:
    """What the clients of one run saw."""

    until: float
    count_from: float
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    """Connections that ended, or answered what is no HTTP."""

    def add(self, sent: float, status: int) -> bool:
        """Count an answer that has just come. False when the run is over."""
        now = time.perf_counter()
        if self.count_from <= now <= self.until:
            self.latencies_s.append(now - sent)
            self.statuses[status] += 1
        return now < self.until


class Client(asyncio.Protocol):
    """One keep-alive connection; asks, waits for the whole answer, asks again."""

    def __init__(self, request: bytes, tally: Tally, done: asyncio.Future[None]) -> None:
        self.request = request
        self.tally = tally
        self.done = done
        self.buffer = bytearray()
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = LENGTH.search(self.buffer, 0, head_end)
        if length is None:
            self.tally.lost += 1
            self.transport.close()
            return
        if len(self.buffer) < head_end + 4 + int(length[1]):
            return
        status = int(self.buffer[9:12])
        self.buffer.clear()
        if self.tally.add(self.sent, status):
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.tally.until:
            self.tally.lost += 1
        if not self.done.done():
            self.done.set_result(None)


async def run(url: str, headers: dict[str, str], *, clients: int, seconds: float) -> Tally:
    """`clients` connections to `url` for `seconds` after one second to warm up."""
    where = urlsplit(url)
    assert where.hostname is not None
    path = where.path + (f"?{where.query}" if where.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {where.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    began = time.perf_counter()
    tally = Tally(until=began + WARM_UP_S + seconds, count_from=began + WARM_UP_S)
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = []
    for _ in range(clients):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)
        await loop.create_connection(
            lambda done=done: Client(request, tally, done),  # type: ignore[misc]
            where.hostname,
            where.port or 80,
        )
    await asyncio.wait(waiting, timeout=WARM_UP_S + seconds + ANSWER_WITHIN_S)
    return tally


def summary(tally: Tally, *, seconds: float, cpu_s: float) -> dict[str, Any]:
    """Throughput, percentiles and errors of a run."""
    ordered = sorted(tally.latencies_s)

    def percentile_ms(share: float) -> float | None:
        if not ordered:
            return None
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 2)

    return {
        "requests_per_s": round(len(ordered) / seconds, 1),
        "p50_ms": percentile_ms(0.50),
        "p99_ms": percentile_ms(0.99),
        "max_ms": percentile_ms(1.0),
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "lost": tally.lost,
        "generator_cpu": round(cpu_s / (seconds + WARM_UP_S), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--token")
    parser.add_argument("--cookie", help="of a session, as sent: sessionid=…")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    headers = {"Accept": "*/*"}
    if given.token:
        headers["Authorization"] = f"Token {given.token}"
    if given.cookie:
        headers["Cookie"] = given.cookie
    cpu_before = time.process_time()
    tally = asyncio.run(run(given.url, headers, clients=given.clients, seconds=given.seconds))
    cpu_s = time.process_time() - cpu_before
    print(json.dumps(summary(tally, seconds=given.seconds, cpu_s=cpu_s)))
    return 0 if tally.latencies_s and not tally.lost else 1


if __name__ == "__main__":
    raise SystemExit(main())
