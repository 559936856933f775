"""What the operating system must allow before a thousand nodes fit in one process."""

from __future__ import annotations

import resource

PER_NODE = 8
"""Descriptors of a node with one client: two sockets, their signals, three connections."""
_SPARE = 256


def descriptors_raise(nodes: int) -> None:
    """Raise the soft limit of open files. Raises OSError when the hard one is too low."""
    needed = nodes * PER_NODE + _SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(
            f"{nodes} simulated nodes need about {needed} open files; the limit is {hard}. "
            "Raise it with `ulimit -Hn` or ask for fewer nodes"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
