"""From an Access to an authenticated SSH transport, each part with its own limit and failure."""

from __future__ import annotations

import errno
import getpass
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from apps.control.remote.failures import (
    AuthenticationFailed,
    Canceled,
    ConnectTimedOut,
    KeyFileMissing,
    KeyFileUnusable,
    NegotiationFailed,
    NoBanner,
    Refused,
    UnknownHost,
    Unreachable,
)
from apps.control.remote.host_keys import KnownHosts
from apps.control.remote.types import Access, Limits, RemoteFailure

SOCKET_SILENCE_MS = 15_000
"""How long sent bytes may stay without acknowledgement before the kernel gives the link up."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One server on the way."""

    where: str
    host: str
    port: int
    user: str
    key_file: Path | None


class Session:
    """The transports of one session; close it, or its threads stay."""

    def __init__(self, access: Access) -> None:
        self.fingerprint = ""
        self.key_is_new = False
        self._access = access
        self._transports: list[paramiko.Transport] = []

    @property
    def transport(self) -> paramiko.Transport:
        return self._transports[-1]

    def open(self, cancel: threading.Event) -> None:
        """Raises a RemoteFailure; the fingerprint is set even when signing in fails."""
        access = self._access
        known_hosts = KnownHosts(access.known_hosts, access.host_key_policy)
        hops = access_hops(access)
        # Before anything is sent: a key that is not there is nobody else's fault.
        keys = [_keys_of(hop) for hop in hops]
        for hop, pkeys in zip(hops, keys, strict=True):
            if cancel.is_set():
                raise Canceled("The session", hop.where, began=False)
            self._open_hop(hop, pkeys, known_hosts, cancel)

    def close(self) -> None:
        for transport in reversed(self._transports):
            transport.close()
        self._transports.clear()

    def _open_hop(
        self,
        hop: Hop,
        keys: list[paramiko.PKey],
        known_hosts: KnownHosts,
        cancel: threading.Event,
    ) -> None:
        limits = self._access.limits
        link = _through(self._transports[-1], hop, limits) if self._transports else None
        transport = paramiko.Transport(link or _connect(hop, limits))
        self._transports.append(transport)
        transport.daemon = True
        transport.banner_timeout = limits.banner_s
        transport.auth_timeout = limits.authentication_s
        options = transport.get_security_options()
        options.key_types = _preferred(
            known_hosts.key_types(hop.host, hop.port), list(options.key_types)
        )
        _negotiate(transport, hop, limits, cancel)
        key = transport.get_remote_server_key()
        self.fingerprint = key.fingerprint
        self.key_is_new = known_hosts.verify(hop.host, hop.port, key, where=hop.where)
        _authenticate(transport, hop, keys)


def access_hops(access: Access) -> list[Hop]:
    """The servers in the order in which they are met; the last one is the node's machine."""
    hops = []
    if access.jump:
        jump = access.jump
        where = f"The jump host {jump.host}:{jump.port}"
        hops.append(Hop(where, jump.host, jump.port, jump.user or own_user(), jump.key_file))
    where = f"{access.host}:{access.port}"
    user = access.user or own_user()
    return [*hops, Hop(where, access.host, access.port, user, access.key_file)]


def own_user() -> str:
    """Who the portal runs as; its number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"


def _connect(hop: Hop, limits: Limits) -> socket.socket:
    give_up_at = time.monotonic() + limits.connect_s
    failure: RemoteFailure | None = None
    for family, address in _resolve(hop, limits):
        link = socket.socket(family, socket.SOCK_STREAM)
        try:
            link.settimeout(max(0.1, give_up_at - time.monotonic()))
            link.connect(address)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SOCKET_SILENCE_MS)
        except OSError as error:
            link.close()
            failure = _connect_failure(error, hop, limits)
        else:
            return link
    raise failure or UnknownHost(hop.host, "it has no address")


def _connect_failure(error: OSError, hop: Hop, limits: Limits) -> RemoteFailure:
    if isinstance(error, TimeoutError) and error.errno in (None, errno.ETIMEDOUT):
        return ConnectTimedOut(hop.where, limits.connect_s)
    if isinstance(error, ConnectionRefusedError):
        return Refused(hop.where)
    return Unreachable(hop.where, error.strerror or str(error))


def _resolve(hop: Hop, limits: Limits) -> list[tuple[int, Any]]:
    """Addresses of the name. In a thread, because the resolver has no limit of its own."""
    found: list[tuple[int, Any]] = []
    problem: list[str] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            problem.append(getattr(error, "strerror", None) or str(error))
        else:
            found.extend((int(answer[0]), answer[4]) for answer in answers)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(limits.connect_s)
    if thread.is_alive():
        raise UnknownHost(hop.host, f"the resolver did not answer within {limits.connect_s:g} s")
    if problem:
        raise UnknownHost(hop.host, problem[0])
    return found


_CHANNEL_CONNECT_FAILED = 2


def _through(jump: paramiko.Transport, hop: Hop, limits: Limits) -> paramiko.Channel:
    """A connection from the jump host on to the next server."""
    try:
        return jump.open_channel(
            "direct-tcpip", (hop.host, hop.port), ("127.0.0.1", 0), timeout=limits.connect_s
        )
    except paramiko.ChannelException as error:
        why = f"the jump host says: {error.text or 'no reason'}"
        if error.code == _CHANNEL_CONNECT_FAILED:
            if "refused" in (error.text or "").lower():
                raise Refused(f"{hop.where} (seen from the jump host)") from error
            raise Unreachable(hop.where, why) from error
        raise Unreachable(hop.where, f"{why} (AllowTcpForwarding in its sshd?)") from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectTimedOut(f"{hop.where}, through the jump host,", limits.connect_s) from error


def _negotiate(
    transport: paramiko.Transport, hop: Hop, limits: Limits, cancel: threading.Event
) -> None:
    done = threading.Event()
    allowed_s = limits.connect_s + limits.banner_s
    give_up_at = time.monotonic() + allowed_s
    transport.start_client(event=done)
    while not done.wait(0.02):
        if cancel.is_set():
            raise Canceled("The session", hop.where, began=False)
        if not transport.is_active() or time.monotonic() > give_up_at:
            break
    if done.is_set() and transport.is_active():
        return
    error = transport.get_exception()
    why = str(error) if error and str(error) else "it closed the connection"
    if transport.is_active():
        why = f"nothing came of it within {allowed_s:g} s"
    if not transport.remote_version:
        if isinstance(error and error.__context__, TimeoutError) or transport.is_active():
            why = f"it sent no greeting within {limits.banner_s:g} s"
        elif isinstance(error and error.__context__, EOFError | OSError):
            why = "it closed the connection"
        raise NoBanner(hop.where, why.rstrip("."))
    raise NegotiationFailed(hop.where, why.rstrip("."))


def _authenticate(transport: paramiko.Transport, hop: Hop, keys: list[paramiko.PKey]) -> None:
    with_what = _with_what(hop, len(keys))
    for key in keys:
        try:
            more = transport.auth_publickey(hop.user, key)
        except paramiko.BadAuthenticationType as error:
            with_what = f"a key; it allows only {', '.join(error.allowed_types)}"
            break
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error).lower():
                seconds = f"{transport.auth_timeout:g}"
                with_what += f": it did not answer within {seconds} s"
                break
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise NegotiationFailed(hop.where, str(error) or "it closed the connection") from error
        else:
            if not more:
                return
            with_what += f" alone; it also asks for {', '.join(more)}"
            break
    raise AuthenticationFailed(hop.where, hop.user, with_what)


def _with_what(hop: Hop, keys: int) -> str:
    if hop.key_file:
        return f"the key {hop.key_file}"
    if keys:
        return f"any of the agent's {keys} keys"
    return "the agent's keys: there are none, and no key file is set"


def _keys_of(hop: Hop) -> list[paramiko.PKey]:
    if hop.key_file is None:
        return list(paramiko.Agent().get_keys())
    path = hop.key_file
    try:
        return [paramiko.PKey.from_path(path)]
    except FileNotFoundError as error:
        raise KeyFileMissing(path) from error
    except OSError as error:
        remedy = "Let the portal's user, and nobody else, read it."
        raise KeyFileUnusable(path, error.strerror or str(error), remedy) from error
    except (paramiko.PasswordRequiredException, TypeError) as error:
        remedy = "Load it into an SSH agent, or make the portal a key without a passphrase."
        raise KeyFileUnusable(path, "it has a passphrase", remedy) from error
    except (ValueError, paramiko.SSHException, UnknownKeyType, UnsupportedAlgorithm) as error:
        remedy = "Name the private key's file, made for instance by: ssh-keygen -t ed25519."
        raise KeyFileUnusable(path, "it is no private key that SSH knows", remedy) from error


def _preferred(first: list[str], types: list[str]) -> list[str]:
    """`types` with those of the known keys at the front, so that the server shows that key."""
    names = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}
    wanted = [name for kind in first for name in names.get(kind, (kind,)) if name in types]
    return [*wanted, *(name for name in types if name not in wanted)]
