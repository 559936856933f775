"""``python -m clio_portal.alive WHAT``: a container's health check. Exit code 0: alive.

WHAT is the address of /healthz, or the file that a process touches as its sign of life
(CLIO_PORTAL_ALIVE_FILE). Imports nothing of the portal: it is run every few seconds.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

OLDEST_S = 30.0
TIMEOUT_S = 4.0


def main(argv: list[str]) -> int:
    if len(argv) != 1:
        sys.stderr.write("Give one address or one file.\n")
        return 2
    problem = _answer(argv[0]) if argv[0].startswith("http://") else _file(Path(argv[0]))
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


def _answer(url: str) -> str:
    """What is wrong; empty: nothing."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http only
            return "" if answer.status == 200 else f"{url} answers {answer.status}"
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {error}"


def _file(path: Path) -> str:
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError as error:
        return f"No sign of life yet: {error}"
    return "" if age_s <= OLDEST_S else f"The last sign of life was {age_s:.0f} s ago."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
