"""One command over SSH: its output as it comes, and its end, whoever causes it."""

from __future__ import annotations

import threading
import time

import paramiko

from apps.control.remote.connect import Session
from apps.control.remote.ending import Ending, Interrupted, Watch
from apps.control.remote.failures import LinkLost, NegotiationFailed
from apps.control.remote.lines import LineSink
from apps.control.remote.script import MARK_LINE, kill_line, shell_line
from apps.control.remote.types import Access, RemoteFailure

READ_BYTES = 65_536
PAUSE_S = (0.005, 0.05)
"""Between looks at a quiet channel: from, up to."""
LAST_WORDS_S = 2.0
"""For what still comes after the exit code, or after the command was told to end."""
MARK_WITHIN_BYTES = 65_536


class Mark:
    """Takes the line with the remote process id out of stdout.

    A login shell may print lines of its own before it; they are held back until then.
    """

    def __init__(self) -> None:
        self.pid: int | None = None
        self._held = b""
        self._open = True

    def feed(self, data: bytes) -> bytes:
        """The command's own output among `data`."""
        if not self._open:
            return data
        self._held += data
        match = MARK_LINE.search(self._held)
        if match:
            self.pid = int(match[1])
            before, after = self._held[: match.start()], self._held[match.end() :]
            gap = b"" if not before or before.endswith(b"\n") else b"\n"
            self._held = before + gap + after
            return self.release()
        return self.release() if len(self._held) > MARK_WITHIN_BYTES else b""

    def release(self) -> bytes:
        self._open = False
        held, self._held = self._held, b""
        return held


class Pulse(threading.Thread):
    """Asks the far side for a sign of life, so that a cut link is noticed.

    Any answer counts, a refusal too. paramiko's own keepalive asks for none.
    """

    def __init__(self, transport: paramiko.Transport, every_s: float) -> None:
        super().__init__(name="ssh-pulse", daemon=True)
        self.heard_at = time.monotonic()
        self._transport = transport
        self._every_s = every_s
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._every_s) and self._transport.is_active():
            try:
                self._transport.global_request("keepalive@openssh.com", wait=True)
            except (paramiko.SSHException, EOFError, OSError):
                return
            if self._transport.is_active():
                self.heard_at = time.monotonic()

    def stop(self) -> None:
        self._ended.set()


class SshCommand:
    """Runs `argv` in an open session."""

    def __init__(self, access: Access, session: Session, sink: LineSink, watch: Watch) -> None:
        self._access = access
        self._session = session
        self._sink = sink
        self._watch = watch
        self._mark = Mark()
        self._where = f"{access.host}:{access.port}"

    @property
    def began(self) -> bool | None:
        return True if self._mark.pid else None

    def run(self, argv: list[str]) -> Ending:
        """Raises LinkLost, NegotiationFailed, or Interrupted after ending the command."""
        channel = self._channel_open(argv)
        pulse = Pulse(self._session.transport, self._access.limits.keepalive_s)
        pulse.start()
        try:
            self._follow(channel, pulse)
        except Interrupted:
            self._kill()
            self._drain(channel, until=time.monotonic() + LAST_WORDS_S)
            raise
        finally:
            pulse.stop()
            self._sink.feed("stdout", self._mark.release())
            channel.close()
        return self._ending(channel)

    def _channel_open(self, argv: list[str]) -> paramiko.Channel:
        try:
            channel = self._session.transport.open_session(timeout=self._access.limits.connect_s)
            channel.settimeout(self._access.limits.connect_s)
            # Each word of argv is quoted.
            channel.exec_command(shell_line(argv))  # nosec B601
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self._session.transport.is_active():
                raise LinkLost(self._where, _why(error), began=False) from error
            raise NegotiationFailed(
                self._where, f"it did not let the command be run ({_why(error)})"
            ) from error
        return channel

    def _follow(self, channel: paramiko.Channel, pulse: Pulse) -> None:
        pause = PAUSE_S[0]
        ended_at: float | None = None
        while True:
            if self._read(channel):
                pause = PAUSE_S[0]
            elif channel.eof_received or channel.closed:
                if channel.exit_status_ready() or channel.closed:
                    return
            elif channel.exit_status_ready():
                # A process that the command left behind may hold its output open.
                ended_at = ended_at or time.monotonic()
                if time.monotonic() - ended_at > LAST_WORDS_S:
                    return
            self._watch.check()
            self._check_link(pulse)
            self._watch.cancel.wait(pause)
            pause = min(pause * 1.5, PAUSE_S[1])

    def _check_link(self, pulse: Pulse) -> None:
        silence_s = time.monotonic() - pulse.heard_at
        if silence_s > self._access.limits.silence_s:
            raise LinkLost(
                self._where, f"nothing was heard for {silence_s:.0f} s", began=bool(self.began)
            )

    def _read(self, channel: paramiko.Channel) -> bool:
        some = False
        if channel.recv_ready():
            self._sink.feed("stdout", self._mark.feed(channel.recv(READ_BYTES)))
            some = True
        if channel.recv_stderr_ready():
            self._sink.feed("stderr", channel.recv_stderr(READ_BYTES))
            some = True
        return some

    def _drain(self, channel: paramiko.Channel, *, until: float) -> None:
        while time.monotonic() < until:
            if not self._read(channel):
                if channel.closed or channel.eof_received:
                    return
                time.sleep(PAUSE_S[1])

    def _kill(self) -> None:
        """Tell the command to end. Should that fail, its own time limit on that side ends it."""
        if self._mark.pid is None or not self._session.transport.is_active():
            return
        try:
            channel = self._session.transport.open_session(timeout=LAST_WORDS_S)
            channel.settimeout(LAST_WORDS_S)
            # Nothing but a number goes in.
            channel.exec_command(kill_line(self._mark.pid))  # nosec B601
            channel.status_event.wait(LAST_WORDS_S)
            channel.close()
        except (paramiko.SSHException, EOFError, OSError):
            return

    def _ending(self, channel: paramiko.Channel) -> Ending:
        if channel.exit_status_ready():
            code = channel.exit_status
            if code >= 0:
                return Ending(code)
        if not self._session.transport.is_active():
            raise LinkLost(self._where, "the connection ended", began=bool(self.began))
        return Ending(None)


def run_over_ssh(
    access: Access, session: Session, argv: list[str], *, sink: LineSink, watch: Watch
) -> Ending:
    """The command's exit code, ``None`` when a signal killed it. Raises a RemoteFailure or
    Interrupted; RemoteFailure says whether the command had begun."""
    command = SshCommand(access, session, sink, watch)
    try:
        return command.run(argv)
    except RemoteFailure as failure:
        failure.command_began = command.began
        raise


def _why(error: Exception) -> str:
    return str(error).rstrip(".") or "the connection ended"
