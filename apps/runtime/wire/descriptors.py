"""Room for the file descriptors of many connections."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

PER_LINK = 8
"""Two sockets and two monitors' ends at ours, TCP out, TCP back, a listening port, to spare."""
OTHERS = 256


def descriptors_ensure(links: int) -> None:
    """Raise this process's soft limit, when that many links would pass it, as far as allowed."""
    if sys.platform == "win32":
        return
    import resource

    needed = links * PER_LINK + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    highest = 2 * needed if hard == resource.RLIM_INFINITY else min(2 * needed, hard)
    if highest > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    if highest < needed:
        log.warning(
            "%d connections need about %d file descriptors, but the limit is %d: raise it "
            "(ulimit -n, or LimitNOFILE of the service)",
            links,
            needed,
            highest,
        )
