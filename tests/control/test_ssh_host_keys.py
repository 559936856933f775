"""Known hosts: OpenSSH's file, three policies, and never a changed key."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import paramiko
import pytest

from apps.control.remote.failures import HostKeyChanged, HostKeyUnknown, KnownHostsUnusable
from apps.control.remote.host_keys import KnownHosts, known_hosts_name
from apps.control.remote.types import HostKeyPolicy
from tests.control.sshd import key_make

ACCEPT_NEW, STRICT, OFF = HostKeyPolicy.ACCEPT_NEW, HostKeyPolicy.STRICT, HostKeyPolicy.OFF


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[paramiko.PKey]:
    directory = tmp_path_factory.mktemp("keys")
    kinds = ("ed25519", "ed25519", "ecdsa")
    return [
        paramiko.PKey.from_path(key_make(directory / f"{number}", kind=kind))
        for number, kind in enumerate(kinds)
    ]


def verify(path: Path, key: paramiko.PKey, policy: HostKeyPolicy, port: int = 2222) -> bool:
    return KnownHosts(path, policy).verify("Node3", port, key, where=f"Node3:{port}")


def test_a_new_key_is_kept_once_and_known_after(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "new" / "known_hosts"
    assert verify(path, keys[0], ACCEPT_NEW)
    assert not verify(path, keys[0], ACCEPT_NEW)
    assert not verify(path, keys[0], STRICT)
    assert path.read_text().count("[node3]:2222 ssh-ed25519 ") == 1
    assert path.stat().st_mode & 0o777 == 0o600
    found = subprocess.run(
        ["ssh-keygen", "-F", "[node3]:2222", "-f", str(path)], capture_output=True, check=True
    )
    assert b"ssh-ed25519" in found.stdout  # OpenSSH reads it the same way


@pytest.mark.parametrize("other", [1, 2])
@pytest.mark.parametrize("policy", [ACCEPT_NEW, STRICT])
def test_a_changed_key_is_refused(
    tmp_path: Path, keys: list[paramiko.PKey], policy: HostKeyPolicy, other: int
) -> None:
    path = tmp_path / "known_hosts"
    verify(path, keys[0], ACCEPT_NEW)
    before = path.read_text()
    with pytest.raises(HostKeyChanged) as caught:
        verify(path, keys[other], policy)
    assert caught.value.extra == {
        "known_fingerprint": keys[0].fingerprint,
        "offered_fingerprint": keys[other].fingerprint,
    }
    assert path.read_text() == before


def test_another_port_is_another_server(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    verify(path, keys[0], ACCEPT_NEW)
    assert verify(path, keys[1], ACCEPT_NEW, port=22)
    assert known_hosts_name("Node3", 22) == "node3"


def test_strict_refuses_what_is_not_known(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    with pytest.raises(HostKeyUnknown) as caught:
        verify(path, keys[0], STRICT)
    assert keys[0].fingerprint in caught.value.message
    assert not path.exists()


def test_off_checks_and_keeps_nothing(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    verify(path, keys[0], ACCEPT_NEW)
    before = path.read_text()
    assert not verify(path, keys[1], OFF)
    assert path.read_text() == before


def test_hashed_names_bad_lines_and_a_missing_last_newline(
    tmp_path: Path, keys: list[paramiko.PKey]
) -> None:
    path = tmp_path / "known_hosts"
    verify(path, keys[0], ACCEPT_NEW)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    bad = "nonsense\nhost ssh-ed25519 !!!\n# remark\nhost new-type AAAA\n"
    path.write_text((bad + path.read_text()).rstrip("\n"))
    assert not verify(path, keys[0], STRICT)
    with pytest.raises(HostKeyChanged):
        verify(path, keys[1], STRICT)
    assert verify(path, keys[2], ACCEPT_NEW, port=22)
    assert not verify(path, keys[0], STRICT)


def test_a_revoked_key_is_refused(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"@revoked * {keys[0].get_name()} {keys[0].get_base64()}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        verify(path, keys[0], ACCEPT_NEW)


def test_the_types_that_are_known_are_asked_for(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    path = tmp_path / "known_hosts"
    verify(path, keys[2], ACCEPT_NEW)
    assert KnownHosts(path, STRICT).key_types("node3", 2222) == [keys[2].get_name()]
    assert KnownHosts(path, STRICT).key_types("other", 2222) == []


def test_a_file_that_can_not_be_used(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    with pytest.raises(KnownHostsUnusable):
        verify(tmp_path, keys[0], ACCEPT_NEW)  # a directory


def test_of_two_first_sessions_one_key_wins(tmp_path: Path, keys: list[paramiko.PKey]) -> None:
    """Each has read the file before the other writes; the second still sees the first's key."""
    path = tmp_path / "known_hosts"
    readers = [KnownHosts(path, ACCEPT_NEW) for _ in range(8)]
    results: list[object] = []

    def meet(number: int) -> None:
        try:
            results.append(readers[number].verify("node3", 22, keys[number % 2], where="node3:22"))
        except HostKeyChanged as error:
            results.append(error.code)

    threads = [threading.Thread(target=meet, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["False"] * 3 + ["True"] + ["host_key_changed"] * 4
    assert len(path.read_text().splitlines()) == 1
