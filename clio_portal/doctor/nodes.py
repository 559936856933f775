"""Checks of each node: ports, wire generation, dial-back, clock, SSH."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from apps.collector.clocks import SAMPLE_PERIOD_S
from apps.collector.engine import client_options
from apps.control.remote.run import run_command
from apps.control.remote.types import Access, Command, Method, RemoteFailure
from apps.nodes.models import CLOCK_OFF_S
from apps.runtime.choose import ClientKind, client_open
from apps.runtime.client import RuntimeClient
from apps.runtime.errors import RuntimeFailure, RuntimeTimedOut
from apps.runtime.queries import host_info_read, system_samples_read
from apps.runtime.types import SystemSample, Target
from clio_portal.doctor.findings import Finding, ok, problem, skipped, warning

AT_ONCE = 16
CONNECT_S = 3.0
ANSWER_S = 20.0
"""Longer than the slowest detection of a generation."""
SSH_S = 20.0
LOOK_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """One node to look at, and what the database knows of it."""

    target: Target
    access: Access | RemoteFailure | None = None
    """The way onto its machine, or why there is none; ``None``: not to be tried."""
    last_event_id: int | None = None
    """Of its newest sample that is stored, so that not its whole ring is asked for."""
    connections_left: int | None = None
    """Where few are left of those that its runtime serves in its life; see `NodeRow`."""


def node_findings(subjects: Sequence[Subject], *, kind: ClientKind) -> Iterator[Finding]:
    """All findings of all nodes, node by node in their order. Many nodes are asked at once.

    Asks each runtime two or three small questions over one connection of its own, which a
    runtime of 2.2 counts among the 1,000 of its life.
    """
    client = client_open(kind, client_options())
    try:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            futures = [pool.submit(_node, client, subject) for subject in subjects]
            for future in futures:
                yield from future.result()
    finally:
        client.close()


def _node(client: RuntimeClient, subject: Subject) -> list[Finding]:
    found = [*_runtime(client, subject)]
    if subject.access is not None:
        found.append(_machine(str(subject.target), subject.access))
    return found


def _runtime(client: RuntimeClient, subject: Subject) -> Iterator[Finding]:
    target, name = subject.target, str(subject.target)
    closed = _connect(target.host, target.client_port)
    if closed:
        yield problem(
            "ports",
            f"Port {target.client_port} (for clients) can't be reached: {closed}.",
            "Start the runtime there (`clio_run status` on that node says whether it runs), or "
            "open the port to the portal in the firewall.",
            node=name,
        )
        yield skipped("answers", "Not asked: its port for clients is closed.", node=name)
        return
    closed = _connect(target.host, target.port)
    if closed:
        yield warning(
            "ports",
            f"Port {target.client_port} (for clients) accepts connections, but port "
            f"{target.port} (for other nodes) can't be reached from here: {closed}.",
            "The portal does not need it, the nodes do: check that no firewall is between them.",
            node=name,
        )
    else:
        text = f"Ports {target.port} and {target.client_port} accept connections."
        yield ok("ports", text, node=name)
    yield from _answers(client, subject)


def _connect(host: str, port: int) -> str:
    """Why a connection can't be made; empty: it can."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _answers(client: RuntimeClient, subject: Subject) -> Iterator[Finding]:
    target, name = subject.target, str(subject.target)
    try:
        # Also fails when the node is another one than the host list says.
        host_info_read(client, target, deadline_s=ANSWER_S)
    except RuntimeFailure as failure:
        remedy = failure.remedy
        if isinstance(failure, RuntimeTimedOut):
            remedy = _dialback_remedy(client.connection(target).dialback_address)
        yield problem("answers", failure.message, remedy, node=name)
        return
    connection = client.connection(target)
    generation = connection.generation.value if connection.generation else "not known"
    back = connection.dialback_address
    how = f"it dials back to {back}" if back else "it answers on the same connection"
    yield ok("answers", f"It answers. Wire generation {generation}; {how}.", node=name)
    if subject.connections_left is not None:
        yield warning(
            "connections",
            f"Its runtime of 2.2 serves {subject.connections_left:,} more connections, then it "
            "hears nobody new.",
            "Restart it at a quiet time, or update it to 2.3, which has no such limit.",
            node=name,
        )
    yield _clock(client, subject)


def _dialback_remedy(address: str | None) -> str:
    where = f" ({address})" if address else ""
    return (
        "It accepts connections, but no answer arrives. A runtime of 2.2 and later connects "
        f"back to the portal{where} to answer: open CLIO_PORTAL_DIALBACK_PORTS towards the portal "
        "in the firewalls between, and set CLIO_PORTAL_DIALBACK_HOST where the nodes know the "
        "portal's machine by another address. If that is in order, the runtime hangs."
    )


def _clock(client: RuntimeClient, subject: Subject) -> Finding:
    """The node's clock against ours. Looked at twice before it is called wrong: a node that is
    busy takes a sample late, and that looks as if its clock were behind.
    """
    name = str(subject.target)
    try:
        skew_s = _skew_s(client, subject)
        if skew_s:
            time.sleep(LOOK_AGAIN_S)
            skew_s = _skew_s(client, subject)
    except RuntimeFailure as failure:
        return problem("clock", failure.message, failure.remedy, node=name)
    if skew_s is None:
        return skipped("clock", "It has no sample yet; look again in a few seconds.", node=name)
    if not skew_s:
        return ok("clock", "Its clock agrees with the portal's.", node=name)
    side = "ahead of" if skew_s > 0 else "behind"
    return warning(
        "clock",
        f"Its clock is {abs(skew_s):.0f} s {side} the portal's.",
        "Let NTP or chrony keep the clocks of the node and of the portal's machine.",
        node=name,
    )


def _skew_s(client: RuntimeClient, subject: Subject) -> float | None:
    """The node's clock minus ours where it is off for certain; 0: it may well be right.

    Its newest sample was taken within its last second, and the answer was under way between
    two readings of our clock. ``None``: it has no sample.
    """
    known = subject.last_event_id
    asked_at = time.time()
    samples = _samples(client, subject.target, known)
    if not samples and known is not None:
        asked_at = time.time()
        samples = _samples(client, subject.target, None)
    if not samples:
        return None
    taken_at = samples[-1].wall_time_ns / 1e9
    low_s, high_s = taken_at - time.time(), taken_at + SAMPLE_PERIOD_S - asked_at
    if low_s > CLOCK_OFF_S:
        return low_s
    return high_s if high_s < -CLOCK_OFF_S else 0.0


def _samples(client: RuntimeClient, target: Target, known: int | None) -> tuple[SystemSample, ...]:
    """Those from event `known` on; the whole ring for ``None``."""
    return tuple(system_samples_read(client, target, min_event_id=known, deadline_s=ANSWER_S))


class _CommandFailed(Exception):
    def __init__(self, argv: list[str], exit_code: int | None) -> None:
        super().__init__(f"`{' '.join(argv)}` ended with {exit_code}")


def _machine(name: str, access: Access | RemoteFailure) -> Finding:
    """May the portal sign in, and are the files there that its commands need?"""
    try:
        if isinstance(access, RemoteFailure):
            raise access
        run = _runner(access)
        run(["test", "-x", access.clio_run])
        conf = access.environment.get("CLIO_SERVER_CONF")
        if conf:
            run(["test", "-r", conf])
    except _CommandFailed as failed:
        return problem(
            "access",
            f"The portal got onto the machine, but {failed}.",
            "Correct CLIO_PORTAL_CLIO_RUN or CLIO_PORTAL_NODE_CONF, or who may read the file.",
            node=name,
        )
    except RemoteFailure as failure:
        remedy = failure.remedy or "See docs/control-ssh.md."
        return problem("access", failure.message, remedy, node=name)
    way = "Without SSH" if access.method is Method.LOCAL else f"By SSH to {access.host}"
    return ok("access", f"{way}: {access.clio_run} can be run.", node=name)


def _runner(access: Access) -> Callable[[list[str]], None]:
    def run(argv: list[str]) -> None:
        result = run_command(
            access,
            Command(argv=argv),
            on_line=lambda line: None,
            cancel=threading.Event(),
            deadline_s=SSH_S,
        )
        if result.exit_code != 0:
            raise _CommandFailed(argv, result.exit_code)

    return run
