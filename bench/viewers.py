"""Signed-in people who look at the topology page, as browsers do.

    python -m bench.viewers URL --cookies FILE --seconds 60

`FILE` has one session's Cookie header on each line: one person. Each opens the page, and then
polls what the page polls: the cards every two seconds, with the cursor, and the banner every
three. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CURSOR = re.compile(rb'data-cursor="([0-9]+)"')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
CARDS_EVERY_S = 2.0
BANNER_EVERY_S = 3.0


@dataclass(slots=True)
class Seen:
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    backwards: int = 0
    """How often a cursor was lower than the one before it: an older page after a newer one."""

    def summary(self) -> dict[str, Any]:
        every = sorted(value for values in self.latencies_s.values() for value in values)
        return {
            "requests": len(every),
            "p50_ms": _percentile_ms(every, 0.5),
            "p95_ms": _percentile_ms(every, 0.95),
            "p99_ms": _percentile_ms(every, 0.99),
            "p95_ms_by_path": {
                path: _percentile_ms(sorted(values), 0.95)
                for path, values in self.latencies_s.items()
            },
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "backwards": self.backwards,
        }


def _percentile_ms(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)


class Viewer:
    """One person's browser, with one connection that is kept."""

    def __init__(self, host: str, port: int, cookie: str, seen: Seen) -> None:
        self.host, self.port, self.cookie, self.seen = host, port, cookie, seen
        self.cursor = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def look(self, *, until: float, count_from: float) -> None:
        self.count_from = count_from
        await asyncio.sleep(random.uniform(0, CARDS_EVERY_S))
        await self._get("/")
        await asyncio.gather(
            self._poll("/fragments/topology", CARDS_EVERY_S, until=until),
            self._poll("/fragments/connection", BANNER_EVERY_S, until=until),
        )
        if self._streams:
            self._streams[1].close()

    async def _poll(self, path: str, every_s: float, *, until: float) -> None:
        while time.perf_counter() < until:
            await asyncio.sleep(every_s * random.uniform(0.95, 1.05))
            await self._get(f"{path}?cursor={self.cursor}")

    async def _get(self, path: str) -> None:
        asked = time.perf_counter()
        try:
            async with self._lock:
                status, body = await asyncio.wait_for(self._exchange(path), 30)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            status, body, self._streams = 0, b"", None
        if asked >= self.count_from:
            self.seen.latencies_s.setdefault(path.partition("?")[0], []).append(
                time.perf_counter() - asked
            )
            self.seen.statuses[status] += 1
        found = CURSOR.search(body)
        if found and "connection" not in path:
            self.seen.backwards += int(found[1]) < self.cursor
            self.cursor = int(found[1])

    async def _exchange(self, path: str) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, limit=2**20)
        reader, writer = self._streams
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "HX-Request: true"]
        lines += [f"Cookie: {self.cookie}", "Accept: text/html"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"connection: close" in head.lower():
            writer.close()
            self._streams = None
        return status, body


async def look(url: str, cookies: list[str], *, seconds: float, warm_up_s: float) -> Seen:
    where = urlsplit(url)
    assert where.hostname is not None
    seen, began = Seen(), time.perf_counter()
    viewers = [Viewer(where.hostname, where.port or 80, cookie, seen) for cookie in cookies]
    until = began + warm_up_s + seconds
    await asyncio.gather(
        *(viewer.look(until=until, count_from=began + warm_up_s) for viewer in viewers)
    )
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--cookies", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-up", type=float, default=6.0)
    given = parser.parse_args()
    cookies = given.cookies.read_text().splitlines()
    cpu = time.process_time()
    seen = asyncio.run(look(given.url, cookies, seconds=given.seconds, warm_up_s=given.warm_up))
    used = (time.process_time() - cpu) / (given.seconds + given.warm_up)
    print(json.dumps(seen.summary() | {"viewers": len(cookies), "generator_cpu": round(used, 2)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
