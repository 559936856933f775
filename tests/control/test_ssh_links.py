"""Links that are cut in the middle of a command, and servers that behave oddly."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from apps.control.remote.failures import LinkLost, NegotiationFailed
from tests.control.conftest import PATIENT, Shell
from tests.control.links import Wire, wire_to
from tests.control.sshd import Sshd
from tests.control.test_ssh_commands import pid_in, wait_gone

HERE = 'echo $$ >"$1"; echo here; exec sleep 600'
LIVELY = replace(PATIENT, keepalive_s=0.3, silence_s=3)


@pytest.fixture
def wire(sshd: Sshd) -> Iterator[Wire]:
    with wire_to(sshd.port) as wire:
        yield wire


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_the_link_ends_in_the_middle(shell: Shell, wire: Wire, tmp_path: Path, how: str) -> None:
    """Noticed within seconds, whether the other end says so or not; the command on the far
    side ends by its own limit."""
    note = tmp_path / "pid"
    cut = shell.but(port=wire.port, limits=LIVELY)
    cut.on_line = lambda line: getattr(wire, how)()
    with pytest.raises(LinkLost) as caught:
        cut.run("/bin/sh", "-c", HERE, "sh", str(note), deadline_s=9)
    assert caught.value.code == "link_lost"
    assert caught.value.command_began
    assert "not known" in caught.value.message
    assert cut.texts() == ["here"]
    assert caught.value.lines_total == 1
    if how == "silence":
        os.kill(pid_in(note), signal.SIGKILL)  # its limit has been seen to work
    wait_gone(pid_in(note), within_s=60)


def test_a_quiet_command_on_a_sound_link_is_left_alone(shell: Shell, wire: Wire) -> None:
    patient = shell.but(port=wire.port, limits=replace(LIVELY, silence_s=2.5))
    assert patient.run("/bin/sleep", "4", deadline_s=60).exit_code == 0


class Lenient(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True


Handler = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[None]]


@contextmanager
def odd_server(handler: Handler | None) -> Iterator[int]:
    """An in-process SSH server that treats each command by `handler`. → its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            Lenient,
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            process_factory=handler,
            encoding=None,
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        yield server.get_port()
    finally:

        async def close() -> None:
            server.close()
            await server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _by_signal(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"clio-portal-pid 1\nlast words\n")
    process.exit_with_signal("SEGV", core_dumped=True)


async def _drops(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stdout.write(b"clio-portal-pid 1\nhere\n")
    await process.stdout.drain()
    process.channel.get_connection().abort()


async def _late_output(process: asyncssh.SSHServerProcess[bytes]) -> None:
    for number in range(500):
        process.stdout.write(b"line %d\xff\n" % number)
        process.stderr.write(b"\x1b[31merror\x1b[0m %d" % number)
        await asyncio.sleep(0)
    process.exit(0)


def test_a_command_that_died_of_a_signal(shell: Shell) -> None:
    with odd_server(_by_signal) as port:
        odd = shell.but(port=port)
        result = odd.run("/bin/true")
    assert result.exit_code is None
    assert odd.texts() == ["last words"]


def test_a_server_that_drops_the_connection(shell: Shell) -> None:
    with odd_server(_drops) as port, pytest.raises(LinkLost) as caught:
        shell.but(port=port).run("/bin/true")
    assert caught.value.command_began


def test_output_without_a_mark_in_small_pieces(shell: Shell) -> None:
    """From a server that runs something else than it was told."""
    with odd_server(_late_output) as port:
        odd = shell.but(port=port)
        result = odd.run("/bin/true")
    assert result.exit_code == 0
    assert odd.texts("stdout") == [f"line {number}\ufffd" for number in range(500)]
    [errors] = odd.texts("stderr")
    assert errors == "".join(f"error {number}" for number in range(500))[:4000] + (
        " … (390 more characters)"
    )


def test_a_server_that_runs_no_commands(shell: Shell) -> None:
    with odd_server(None) as port, pytest.raises(NegotiationFailed) as caught:
        shell.but(port=port).run("/bin/true")
    assert caught.value.code == "negotiation_failed"
    assert not caught.value.command_began
