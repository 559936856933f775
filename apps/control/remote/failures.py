"""Every way in which a command on a node can fail to come to its own end.

Each has a code, a sentence and what to do. The sentences name the machine as `where` says it,
``host:port`` or, at a jump host, with those words.
"""

from __future__ import annotations

from pathlib import Path

from apps.control.remote.types import RemoteFailure


class UnknownHost(RemoteFailure):
    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"The name {host!r} does not resolve to an address: {why}.",
            code="unknown_host",
            remedy="Correct the address in the node's access settings, or its entry in DNS.",
        )


class Refused(RemoteFailure):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} refused the connection: no SSH server listens there.",
            code="refused",
            remedy="Check the port in the access settings, and that sshd runs on that machine.",
        )


class Unreachable(RemoteFailure):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} can't be reached: {why}.",
            code="unreachable",
            remedy="Check that the machine is up and that a route leads to it.",
        )


class ConnectTimedOut(RemoteFailure):
    def __init__(self, where: str, seconds: float) -> None:
        super().__init__(
            f"{where} did not answer within {seconds:g} s.",
            code="connect_timed_out",
            remedy="Check that the machine is up and that no firewall drops the packets.",
        )


class NoBanner(RemoteFailure):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} accepted the connection but did not speak SSH: {why}.",
            code="no_banner",
            remedy="Its sshd may hang or turn away connections (MaxStartups), "
            "or something else listens on that port.",
        )


class NegotiationFailed(RemoteFailure):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{where} and the portal could not agree on an SSH session: {why}.",
            code="negotiation_failed",
            remedy="Look into the log of sshd on that machine; it may be old, or set too tight.",
        )


class AuthenticationFailed(RemoteFailure):
    def __init__(self, where: str, user: str, with_what: str) -> None:
        super().__init__(
            f"{where} did not let {user!r} in with {with_what}.",
            code="authentication_failed",
            remedy=f"Add the public key to ~{user}/.ssh/authorized_keys there, "
            "or correct the user or the key in the access settings.",
        )


class KeyFileMissing(RemoteFailure):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no key file {path}.",
            code="key_file_missing",
            remedy="Correct the path in the access settings. It is a file on the portal's machine.",
        )


class KeyFileUnusable(RemoteFailure):
    def __init__(self, path: Path, why: str, remedy: str) -> None:
        super().__init__(
            f"The key file {path} can't be used: {why}.", code="key_file_unusable", remedy=remedy
        )


class HostKeyChanged(RemoteFailure):
    def __init__(self, where: str, *, known: str, offered: str, known_hosts: Path | None) -> None:
        super().__init__(
            f"{where} shows another host key than before: {offered}, known is {known}. "
            "It is another machine, a reinstalled one, or somebody stands in between.",
            code="host_key_changed",
            remedy="If the machine was reinstalled: compare the fingerprint on its console, then "
            f"remove its lines from {known_hosts}.",
            extra={"known_fingerprint": known, "offered_fingerprint": offered},
        )


class HostKeyUnknown(RemoteFailure):
    def __init__(self, where: str, *, offered: str, known_hosts: Path | None) -> None:
        super().__init__(
            f"The host key of {where} is not known: {offered}.",
            code="host_key_unknown",
            remedy=f"Compare the fingerprint on the machine's console, then add the key to "
            f"{known_hosts} (ssh-keyscan prints the line); or choose the policy accept-new.",
            extra={"offered_fingerprint": offered},
        )


class KnownHostsUnusable(RemoteFailure):
    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"The file of known host keys {path} can't be used: {why}.",
            code="known_hosts_unusable",
            remedy="Let the portal's user read and write it, or name another in "
            "CLIO_PORTAL_SSH_KNOWN_HOSTS.",
        )


class ClioRunNotFound(RemoteFailure):
    def __init__(self, program: str, where: str, said: str) -> None:
        super().__init__(
            f"{program} was not found on {where}{_quoted(said)}.",
            code="clio_run_not_found",
            remedy="Set the full path of clio_run on that machine in the access settings: "
            "a session without a terminal has no virtual environment on its PATH.",
        )


class PermissionDenied(RemoteFailure):
    def __init__(self, program: str, where: str, said: str) -> None:
        super().__init__(
            f"{program} may not be run on {where}{_quoted(said)}.",
            code="permission_denied",
            remedy="Make it executable for the user of the access settings (chmod +x), "
            "or choose another user.",
        )


class CommandTimedOut(RemoteFailure):
    def __init__(self, program: str, where: str, seconds: float) -> None:
        super().__init__(
            f"{program} on {where} did not end within {seconds:g} s and was killed.",
            code="command_timed_out",
            remedy="The node may hang: look at its state and its log before trying again.",
        )


class LinkLost(RemoteFailure):
    def __init__(self, where: str, why: str, *, began: bool) -> None:
        done = (
            "Whether the command came to its end is not known"
            if began
            else "The command may not have begun"
        )
        super().__init__(
            f"The link to {where} was lost: {why}. {done}.",
            code="link_lost",
            remedy="Look at the node's state before trying again.",
        )


class Canceled(RemoteFailure):
    def __init__(self, program: str, where: str, *, began: bool) -> None:
        super().__init__(
            f"{program} on {where} was canceled"
            + (" and told to end." if began else " before it began."),
            code="canceled",
            remedy="Look at the node's state: what was done until then is done." if began else None,
        )


def _quoted(said: str) -> str:
    return f" ({said})" if said else ""
