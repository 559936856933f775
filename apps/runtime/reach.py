"""Bare TCP connects to many client ports at once, without a thread per node."""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from apps.runtime.types import Reachability, Target

DEFAULT_TIMEOUT_S = 0.5
NAME_TTL_S = 60.0
NAME_THREADS = 16
MAX_PORT = 65_535

_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


class _OutOfSocketsError(Exception):
    """The portal itself can't open another socket."""


@dataclass(frozen=True, slots=True)
class _Address:
    family: int
    sockaddr: Any


def probe_many(
    targets: Iterable[Target], *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[Target, Reachability]:
    """What a TCP connect to each target's client port finds, all within ``timeout_s``.

    Sends nothing and closes at once. A name that does not resolve in time, and
    a connect that neither succeeds nor is refused, is ``UNREACHABLE``. A target that could
    not be tried, because the portal itself is out of sockets, is left out. Never raises
    for what the network does.
    """
    began = time.monotonic()
    wanted = dict.fromkeys(targets)
    found: dict[Target, Reachability] = {}
    try:
        opened = selectors.DefaultSelector()
    except OSError:
        # It takes a descriptor itself: out of sockets before the first connect.
        return found
    with opened as selector:
        try:
            literal = {target for target in wanted if _numeric(target.host) is not None}
            _begin(selector, literal, found, began)
            # Names come second and get half the time: a slow name server delays no other node.
            _begin(selector, wanted.keys() - literal, found, began + timeout_s / 2)
        except _OutOfSocketsError:
            # What was begun still counts.
            pass
        finally:
            _gather(selector, found, began + timeout_s)
    return found


def _begin(
    selector: selectors.BaseSelector,
    targets: Collection[Target],
    found: dict[Target, Reachability],
    names_until: float,
) -> None:
    """Begin a connect to each target; what is known at once goes into ``found``."""
    addresses = _names.resolve({target.host for target in targets}, names_until)
    for target in targets:
        address = addresses.get(target.host)
        if address is None or not 0 < target.client_port <= MAX_PORT:
            found[target] = Reachability.UNREACHABLE
            continue
        at_once = _connect(selector, target, address)
        if at_once is not None:
            found[target] = at_once


def _connect(
    selector: selectors.BaseSelector, target: Target, address: _Address
) -> Reachability | None:
    """Begin one connect. The result when there is one at once, else ``None``."""
    sock: socket.socket | None = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        code = sock.connect_ex(_with_port(address, target.client_port))
    except OSError as error:
        # No IPv6 on this machine, an unknown scope.
        code = error.errno or errno.EHOSTUNREACH
    if sock is not None and code in _UNDER_WAY:
        selector.register(sock, selectors.EVENT_WRITE, target)
        return None
    if sock is not None:
        sock.close()
    if code in _OUT_OF_SOCKETS:
        raise _OutOfSocketsError
    return _meaning(code)


def _gather(
    selector: selectors.BaseSelector, found: dict[Target, Reachability], until: float
) -> None:
    open_sockets = {key.fileobj: key.data for key in list(selector.get_map().values())}
    while open_sockets:
        left_s = until - time.monotonic()
        ready = selector.select(max(left_s, 0.0))
        for key, _ in ready:
            sock = key.fileobj
            if not isinstance(sock, socket.socket):
                continue
            found[key.data] = _meaning(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            selector.unregister(sock)
            sock.close()
            del open_sockets[sock]
        if left_s <= 0 and not ready:
            break
    for sock, target in open_sockets.items():
        found[target] = Reachability.UNREACHABLE
        selector.unregister(sock)
        if isinstance(sock, socket.socket):
            sock.close()


def _meaning(code: int) -> Reachability:
    if code == 0:
        return Reachability.ACCEPTS
    return Reachability.REFUSED if code == errno.ECONNREFUSED else Reachability.UNREACHABLE


def _with_port(address: _Address, port: int) -> Any:
    host, _, *rest = address.sockaddr
    return (host, port, *rest)


@dataclass(slots=True)
class _Names:
    """Host names → addresses. `getaddrinfo` can block for half a minute, so it gets a thread."""

    known: dict[str, tuple[float, _Address]] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def resolve(self, hosts: set[str], until: float) -> dict[str, _Address]:
        """The addresses found by ``until``. A lookup that takes longer serves a later call."""
        found = {host: address for host in hosts if (address := _numeric(host)) is not None}
        missing = hosts - found.keys()
        if not missing:
            return found
        with self.changed:
            self._ask(missing)
            while missing & self.asking:
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self.changed.wait(left_s)
            for host in missing & self.known.keys():
                found[host] = self.known[host][1]
        return found

    def _ask(self, hosts: set[str]) -> None:
        now = time.monotonic()
        for host in sorted(hosts - self.asking):
            fresh = host in self.known and now - self.known[host][0] < NAME_TTL_S
            if fresh or len(self.asking) >= NAME_THREADS:
                continue
            self.asking.add(host)
            threading.Thread(target=self._look_up, args=(host,), daemon=True).start()

    def _look_up(self, host: str) -> None:
        address: _Address | None = None
        try:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            # The protocol's dial-back can't express IPv6, so an IPv4 address comes first.
            family, _, _, _, sockaddr = min(infos, key=lambda info: info[0] != socket.AF_INET)
            address = _Address(family, sockaddr)
        except (OSError, UnicodeError):
            address = None
        finally:
            with self.changed:
                self.asking.discard(host)
                if address is not None:
                    self.known[host] = (time.monotonic(), address)
                self.changed.notify_all()


def _numeric(host: str) -> _Address | None:
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return _Address(socket.AF_INET, (host, 0))
    return _Address(socket.AF_INET6, (host, 0, 0, 0))


_names = _Names()
