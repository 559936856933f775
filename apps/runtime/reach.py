"""Bare TCP connects to many client ports at once, without a thread per node."""

from __future__ import annotations

from collections.abc import Iterable

from apps.runtime.types import Reachability, Target

DEFAULT_TIMEOUT_S = 0.5


def probe_many(
    targets: Iterable[Target], *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[Target, Reachability]:
    """What a TCP connect to each target's client port finds, all within ``timeout_s``.

    Sends nothing and closes at once. A name that does not resolve in time, and
    a connect that neither succeeds nor is refused, is ``UNREACHABLE``. Never raises for
    what the network does.
    """
    raise NotImplementedError
