"""Every failure on the way to a node has its own code, a sentence and a remedy."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.control.remote import connect
from apps.control.remote.connect import Hop
from apps.control.remote.types import HostKeyPolicy, JumpHost, Limits, RemoteFailure
from tests.control.conftest import PATIENT, Shell
from tests.control.links import serving
from tests.control.sshd import Sshd, free_port, key_fingerprint, key_make, sshd_running

SHORT = Limits(connect_s=0.6, banner_s=0.6, authentication_s=10, keepalive_s=0.3, silence_s=2)
QUICK = replace(PATIENT, connect_s=1, banner_s=1)


def failure_of(shell: Shell) -> RemoteFailure:
    with pytest.raises(RemoteFailure) as caught:
        shell.run("/bin/true")
    failure = caught.value
    assert failure.status == 502
    assert failure.message.endswith(".")
    assert failure.remedy
    assert failure.remedy.endswith(".") or ":" in failure.remedy
    assert not failure.command_began
    return failure


def test_a_name_that_does_not_resolve(shell: Shell) -> None:
    failure = failure_of(shell.but(host="no-such-node.invalid"))
    assert failure.code == "unknown_host"
    assert "'no-such-node.invalid'" in failure.message


def test_a_resolver_that_does_not_answer(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*arguments: object, **options: object) -> list[object]:
        time.sleep(3)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    failure = failure_of(shell.but(limits=SHORT))
    assert failure.code == "unknown_host"
    assert "within 0.6 s" in failure.message


def test_nobody_listens(shell: Shell) -> None:
    port = free_port()
    failure = failure_of(shell.but(port=port))
    assert failure.code == "refused"
    assert f"127.0.0.1:{port}" in failure.message


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES])
def test_no_way_leads_there(shell: Shell, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "connect", refuse)
    failure = failure_of(shell)
    assert failure.code == "unreachable"
    assert os.strerror(number) in failure.message


def test_packets_are_dropped(shell: Shell) -> None:
    """A listener whose queue is full drops the first packet of a connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            link = socket.socket()
            link.setblocking(False)
            link.connect_ex(listener.getsockname())
            waiting.append(link)
        failure = failure_of(shell.but(port=listener.getsockname()[1], limits=SHORT))
        for link in waiting:
            link.close()
    assert failure.code == "connect_timed_out"
    assert "did not answer within 0.6 s" in failure.message


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        (lambda link: time.sleep(5), "no greeting within 0.6 s"),
        (lambda link: None, "it closed the connection"),
        (lambda link: link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "did not speak SSH"),
    ],
    ids=["silent", "closes", "speaks HTTP"],
)
def test_something_else_listens(
    shell: Shell, behave: Callable[[socket.socket], None], says: str
) -> None:
    with serving(behave) as port:
        failure = failure_of(shell.but(port=port, limits=SHORT))
    assert failure.code == "no_banner"
    assert says in failure.message


def test_a_frozen_sshd(shell: Shell, tmp_path: Path) -> None:
    with sshd_running(tmp_path / "frozen") as server:
        server.freeze()
        failure = failure_of(shell.but(port=server.port, limits=SHORT))
    assert failure.code == "no_banner"


def test_it_greets_and_then_says_nothing(shell: Shell) -> None:
    def greet(link: socket.socket) -> None:
        link.sendall(b"SSH-2.0-Half_done\r\n")
        time.sleep(5)

    with serving(greet) as port:
        failure = failure_of(shell.but(port=port, limits=SHORT))
    assert failure.code == "negotiation_failed"
    assert "within 1.2 s" in failure.message


def test_no_cipher_in_common(shell: Shell, tmp_path: Path) -> None:
    options = ("Ciphers chacha20-poly1305@openssh.com",)
    with sshd_running(tmp_path / "tight", options=options) as server:
        failure = failure_of(shell.but(port=server.port))
    assert failure.code == "negotiation_failed"


def test_a_wrong_key(shell: Shell, tmp_path: Path, sshd: Sshd) -> None:
    other = key_make(tmp_path / "other")
    failure = failure_of(shell.but(key_file=other))
    assert failure.code == "authentication_failed"
    assert str(other) in failure.message
    assert f"'{sshd.user}'" in failure.message
    assert failure.host_key_fingerprint == key_fingerprint(sshd.host_key)
    assert failure.host_key_new


def test_a_wrong_user(shell: Shell) -> None:
    failure = failure_of(shell.but(user="nobody-of-that-name"))
    assert failure.code == "authentication_failed"
    assert "nobody-of-that-name" in failure.message


def test_a_server_that_wants_a_password(shell: Shell, tmp_path: Path) -> None:
    options = ("PubkeyAuthentication no", "AuthenticationMethods any")
    with sshd_running(tmp_path / "password", options=options) as server:
        failure = failure_of(shell.but(port=server.port, key_file=server.client_key))
    assert failure.code == "authentication_failed"


def test_a_server_that_wants_two_keys(shell: Shell, tmp_path: Path) -> None:
    options = ("AuthenticationMethods publickey,publickey",)
    with sshd_running(tmp_path / "two", options=options) as server:
        failure = failure_of(shell.but(port=server.port, key_file=server.client_key))
    assert failure.code == "authentication_failed"
    assert "it also asks for publickey" in failure.message


def test_a_key_file_that_is_missing(shell: Shell, tmp_path: Path) -> None:
    failure = failure_of(shell.but(key_file=tmp_path / "gone"))
    assert failure.code == "key_file_missing"
    assert failure.host_key_fingerprint == ""  # nothing was sent


def test_key_files_that_can_not_be_used(shell: Shell, tmp_path: Path) -> None:
    locked = key_make(tmp_path / "locked", passphrase="sesame")
    for path, why in (
        (locked, "passphrase"),
        (Path(f"{locked}.pub"), "no private key"),
        (tmp_path, "directory"),
    ):
        failure = failure_of(shell.but(key_file=path))
        assert failure.code == "key_file_unusable"
        assert why in failure.message


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_kinds(shell: Shell, sshd: Sshd, tmp_path: Path, kind: str) -> None:
    key = key_make(tmp_path / kind, kind=kind)
    with (sshd.directory / "authorized_keys").open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    assert shell.but(key_file=key).run("/bin/true").exit_code == 0


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of a real ssh-agent without keys."""
    address = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
    give_up_at = time.monotonic() + 20
    while not Path(address).exists():
        assert time.monotonic() < give_up_at, "ssh-agent made no socket"
        time.sleep(0.05)
    monkeypatch.setenv("SSH_AUTH_SOCK", address)
    yield address
    process.terminate()
    process.wait()


def test_the_keys_of_an_agent(shell: Shell, sshd: Sshd, agent: str) -> None:
    by_agent = shell.but(key_file=None)
    failure = failure_of(by_agent)
    assert failure.code == "authentication_failed"
    assert "there are none" in failure.message
    subprocess.run(["ssh-add", "-q", str(sshd.client_key)], check=True)
    assert by_agent.run("/bin/true").exit_code == 0


def test_a_changed_host_key(shell: Shell, sshd: Sshd, tmp_path: Path) -> None:
    """The machine was reinstalled: refused before anything but the key exchange."""
    with sshd_running(tmp_path / "before") as before:
        line = Path(f"{before.host_key}.pub").read_text()
        old = key_fingerprint(before.host_key)
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {line}")
    failure = failure_of(shell)
    assert failure.code == "host_key_changed"
    assert failure.extra["known_fingerprint"] == old
    assert failure.extra["offered_fingerprint"] == key_fingerprint(sshd.host_key)
    assert str(tmp_path / "known_hosts") in (failure.remedy or "")
    unsafe = shell.but(host_key_policy=HostKeyPolicy.OFF)
    result = unsafe.run("/bin/true")
    assert (result.exit_code, result.host_key_new) == (0, False)


def test_an_unknown_host_key_when_strict(shell: Shell) -> None:
    failure = failure_of(shell.but(host_key_policy=HostKeyPolicy.STRICT))
    assert failure.code == "host_key_unknown"
    assert "SHA256:" in failure.message


def test_the_jump_host_fails(shell: Shell, sshd: Sshd) -> None:
    gate = JumpHost(host="127.0.0.1", port=free_port(), user="x", key_file=sshd.client_key)
    failure = failure_of(shell.but(jump=gate))
    assert failure.code == "refused"
    assert failure.message.startswith(f"The jump host 127.0.0.1:{gate.port} refused")


def test_behind_the_jump_host_nobody_listens(shell: Shell, sshd: Sshd) -> None:
    gate = JumpHost(host="127.0.0.1", port=sshd.port, user=sshd.user, key_file=sshd.client_key)
    port = free_port()
    failure = failure_of(shell.but(jump=gate, port=port))
    assert failure.code in ("refused", "unreachable")
    assert f"127.0.0.1:{port}" in failure.message


def test_a_jump_host_that_forbids_it(shell: Shell, sshd: Sshd, tmp_path: Path) -> None:
    with sshd_running(tmp_path / "gate", options=("AllowTcpForwarding no",)) as server:
        gate = JumpHost(
            host="127.0.0.1", port=server.port, user=server.user, key_file=server.client_key
        )
        failure = failure_of(shell.but(jump=gate))
    assert failure.code == "unreachable"
    assert "AllowTcpForwarding" in failure.message


def test_all_addresses_of_a_name_are_tried(
    shell: Shell, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with localhost, whose first address is often ::1 where sshd does not listen."""
    resolve = connect._resolve

    def two(hop: Hop, limits: Limits) -> list[tuple[int, tuple[str, int]]]:
        return [(socket.AF_INET, ("127.0.0.1", free_port())), *resolve(hop, limits)]

    monkeypatch.setattr(connect, "_resolve", two)
    assert shell.run("/bin/true").exit_code == 0


def test_the_defaults_are_those_that_are_documented() -> None:
    limits = Limits()
    assert (limits.connect_s, limits.banner_s, limits.authentication_s) == (5, 5, 10)
