"""The way to one runtime: its connection, what is known of it, and who waits for it.

A connection is made when somebody asks, and after it was lost when somebody asks
again. Its life: resolve, connect, ZeroMQ handshake, detection, ready.
"""

from __future__ import annotations

import logging
from enum import Enum, auto

import zmq

from apps.runtime.errors import (
    ContractBroken,
    RuntimeFailure,
    RuntimeTimedOut,
    RuntimeUnreachable,
    WrongGeneration,
)
from apps.runtime.types import Connection, Target, WireGeneration
from apps.runtime.wire.addresses import dialback_host_find, ipv4_literal
from apps.runtime.wire.calls import Call, CallBook, answer_read, failure_restate
from apps.runtime.wire.channel import Channel, ChannelEvent
from apps.runtime.wire.detection import Detection, Step
from apps.runtime.wire.frames import Request, reply_parse, request_build
from apps.runtime.wire.layout import LAYOUTS, FrameError, Method
from apps.runtime.wire.listener import Listener, NoPortLeftError
from apps.runtime.wire.outputs import ConnectOutput, connect_output_parse
from apps.runtime.wire.pairs import PairsBudget
from apps.runtime.wire.reactor import Timer, Work
from apps.runtime.wire.surroundings import Surroundings

log = logging.getLogger(__name__)

WRITABLE_RETRY_S = 0.01
WRITABLE_RETRIES = 20


class LinkState(Enum):
    IDLE = auto()
    RESOLVING = auto()
    CONNECTING = auto()
    DETECTING = auto()
    READY = auto()
    UNPROVEN = auto()
    """Connected, and detection has failed: nothing more is sent on this connection."""


class Link:
    """Lives on the hub's thread. `connection` gives what is known."""

    def __init__(self, hub: Surroundings, target: Target) -> None:
        self._hub = hub
        self.target = target
        self.state = LinkState.IDLE
        self._calls = CallBook(hub.key_drop)
        self._probes: dict[int, WireGeneration] = {}
        self._channel: Channel | None = None
        self._timer: Timer | None = None
        self._detection: Detection | None = None
        self._failure: RuntimeFailure | None = None
        self._tcp_accepted = False
        self._listener: Listener | None = None
        self._port: int | None = None
        self._generation: WireGeneration | None = None
        self._boot: int | None = None
        self._server_pid: int | None = None
        self._budget = PairsBudget()

    # --- what the hub calls

    def submit(self, call: Call) -> None:
        """Send the call, or keep it until the connection is ready; its deadline runs."""
        call.timer = self._hub.after(call.deadline_s, lambda: self._expire(call))
        if self.state is LinkState.READY:
            self._send(call)
        elif call.method is Method.STOP_RUNTIME:
            call.fail(RuntimeUnreachable(f"{call}: the connection was lost; nothing was sent."))
        elif self._failure is not None and self.state is not LinkState.IDLE:
            call.fail(failure_restate(self._failure, call))
        else:
            self._calls.keep(call)
            if self.state is LinkState.IDLE:
                self._resolve()

    def replied(self, key: int, body: bytes) -> None:
        """A body with a key that this link has given out."""
        if (generation := self._probes.get(key)) is not None:
            self._probe_replied(generation, body)
        elif (call := self._calls.sent(key)) is not None and self._generation is not None:
            self._calls.drop(call)
            try:
                answer = answer_read(call, body, self._generation, self._boot)
            except RuntimeFailure as failure:
                call.fail(failure)
            else:
                call.succeed(answer)

    def dialled_back(self) -> None:
        """Somebody dialled the port that only this runtime was given."""
        if self._detection is not None and self.state is not LinkState.READY:
            self._apply(self._detection.dialled_back())

    def close(self, failure: RuntimeFailure) -> None:
        """End the connection; everybody who waits gets ``failure``."""
        self._end(failure)
        if self._listener is not None and self._port is not None:
            self._hub.port_release(self._listener, self._port)
        self._listener = self._port = None

    def connection(self) -> Connection:
        dials_back = self._generation is None or LAYOUTS[self._generation].dials_back
        known = dials_back and self._listener is not None and self._port is not None
        return Connection(
            target=self.target,
            generation=self._generation,
            boot=self._boot,
            server_pid=self._server_pid,
            connected=self.state is LinkState.READY,
            dialback_address=self._dialback if known else None,
            dialback_pairs_spent=self._budget.spent if dials_back else 0,
        )

    # --- connecting

    @property
    def _dialback(self) -> str:
        host = self._listener.host if self._listener is not None else "?"
        return f"{host}:{self._port}"

    def _resolve(self) -> None:
        self._failure = None
        literal = ipv4_literal(self.target.host)
        if literal is not None:
            self._connect(literal)
            return
        self.state = LinkState.RESOLVING
        self._hub.lookup(self.target.host, self._resolved)

    def _resolved(self, ip: str | None, why: str) -> None:
        if self.state is not LinkState.RESOLVING:
            return
        if ip is None:
            self._end(self._unreachable(f"the name {self.target.host} has no IPv4 address: {why}"))
        else:
            self._connect(ip)

    def _connect(self, ip: str) -> None:
        options = self._hub.options
        self.state = LinkState.CONNECTING
        self._tcp_accepted = False
        try:
            host = options.dialback_host or dialback_host_find(ip)
            self._listen(host)
            self._channel = self._hub.channel(
                f"{ip}:{self.target.client_port}", host, self._on_event, self._hub.body
            )
        except (OSError, NoPortLeftError, zmq.ZMQError) as error:
            self._end(self._unreachable(str(error)))
            return
        self._wait(options.handshake_s, self._handshake_overdue)
        self._hub.published(self.connection())

    def _listen(self, host: str) -> None:
        """Keep the port for as long as the address towards this runtime stays the same."""
        if self._listener is not None and self._listener.host == host:
            return
        if self._listener is not None and self._port is not None:
            self._hub.port_release(self._listener, self._port)
        self._listener = self._port = None
        listener = self._hub.listener(host)
        self._port = self._hub.port_claim(listener, self)
        self._listener = listener

    def _on_event(self, channel: Channel, event: ChannelEvent) -> None:
        if channel is not self._channel:
            return
        match event:
            case ChannelEvent.ACCEPTED:
                self._tcp_accepted = True
            case ChannelEvent.HANDSHAKEN:
                self._handshaken()
            case ChannelEvent.REFUSED:
                self._refused()
            case ChannelEvent.LOST:
                self._lost()

    def _refused(self) -> None:
        self._end(self._unreachable("nothing accepts connections at its client port"))

    def _lost(self) -> None:
        self._hub.answers_drain()  # what came before the end still counts
        if self._channel is not None:
            self._channel.drain()
        what = "ended" if self.state is LinkState.READY else "ended before it was ready"
        self._end(self._unreachable(f"the connection {what}"))

    def _handshake_overdue(self) -> None:
        """The connection stays: a paused runtime goes on with it when it is resumed."""
        what = "accepts TCP but makes no ZeroMQ handshake" if self._tcp_accepted else "is silent"
        self._failure = self._unreachable(f"its client port {what}")
        self._calls.fail_all(self._failure)

    def _handshaken(self) -> None:
        self._failure = None
        if not self._budget.allows(self._generation):
            self._unproven(self._budget.exhausted(self.target))
            return
        self._budget.spend()
        self.state = LinkState.DETECTING
        self._detection = Detection(
            self.target,
            configured=self._hub.options.generation,
            allow_legacy_probe=self._hub.options.allow_legacy_probe,
            last_known=self._generation,
            dialback=self._dialback,
            times=self._hub.times,
        )
        self._apply(self._detection.begin())

    # --- detection

    def _apply(self, step: Step) -> None:
        if step.wait_s is not None and self._detection is not None:
            self.state = LinkState.DETECTING
            self._failure = None
            detection = self._detection
            self._wait(step.wait_s, lambda: self._apply(detection.elapsed()))
        if step.send is not None:
            self._probe(step.send, WRITABLE_RETRIES)
        if step.failure is not None:
            self._unproven(step.failure)

    def _probe(self, generation: WireGeneration, retries: int) -> None:
        """One ClientConnect. A connection may need a moment after its handshake to take it."""
        channel = self._channel
        if channel is None:
            return
        task = self._hub.key_new(self)
        port = self._port if LAYOUTS[generation].has_reply_port else None
        request = Request(Method.CLIENT_CONNECT, task, reply_port=port)
        if channel.send(request_build(request, generation)):
            self._probes[task.key] = generation
            return
        self._hub.key_drop(task.key)
        if retries:
            self._hub.after(
                WRITABLE_RETRY_S,
                lambda: self._probe(generation, retries - 1) if self._channel is channel else None,
            )

    def _probe_replied(self, generation: WireGeneration, body: bytes) -> None:
        if self._detection is None or self.state is LinkState.READY:
            return
        try:
            connect = connect_output_parse(reply_parse(body, generation).output)
        except FrameError as error:
            self._unproven(ContractBroken(f"{self.target}, client connect: {error}."))
            return
        if connect.response != 0:
            self._unproven(
                RuntimeUnreachable(
                    f"{self.target} does not admit clients: response {connect.response}."
                )
            )
            return
        step = self._detection.replied(generation)
        if step.proven is None:
            self._apply(step)
        else:
            self._ready(generation, connect)

    def _ready(self, generation: WireGeneration, connect: ConnectOutput) -> None:
        self._cancel_wait()
        self._generation = generation
        if self._boot is not None and self._boot != connect.boot:
            self._budget.process_renewed()
        self._boot = connect.boot
        self._server_pid = connect.server_pid
        self._failure = None
        self.state = LinkState.READY
        log.info("%s: connected, generation %s", self.target, generation)
        self._hub.published(self.connection())
        if self._budget.warns(generation, self._hub.options.pairs_warn_at):
            self._hub.pairs_warned(self.connection())
        for call in self._calls.waiting_take():
            self._send(call)

    def _unproven(self, failure: RuntimeFailure) -> None:
        self._cancel_wait()
        self.state = LinkState.UNPROVEN
        self._failure = failure
        log.warning("%s", failure.message)
        self._calls.fail_all(failure)
        self._hub.published(self.connection())

    # --- calls

    def _send(self, call: Call, retries: int = WRITABLE_RETRIES) -> None:
        if self._channel is None or self._generation is None:
            call.fail(RuntimeUnreachable(f"{call}: the connection ended."))
            return
        if call.method is Method.STOP_RUNTIME and not self._stop_allowed(call):
            return
        layout = LAYOUTS[self._generation]
        task = self._hub.key_new(self)
        request = Request(
            method=call.method,
            task=task,
            route=call.route,
            query=call.query,
            grace_ms=call.grace_ms,
            reply_port=self._port if layout.has_reply_port else None,
        )
        if self._channel.send(request_build(request, self._generation)):
            self._calls.keep_sent(call, task.key)
            return
        self._hub.key_drop(task.key)
        if retries and call.method is not Method.STOP_RUNTIME:
            # Most likely the connection has just ended, which its event will say in a moment.
            self._calls.keep(call)
            self._hub.after(WRITABLE_RETRY_S, lambda: self._send_again(call, retries - 1))
        else:
            call.fail(
                RuntimeTimedOut(f"{call}: not sent; the runtime does not read its connection.")
            )

    def _send_again(self, call: Call, retries: int) -> None:
        if self.state is LinkState.READY and self._calls.waits(call):
            self._calls.drop(call)
            self._send(call, retries)

    def _stop_allowed(self, call: Call) -> bool:
        if self._generation is WireGeneration.V2_0:
            call.fail(
                WrongGeneration(
                    f"{call}: releases 2.0 and 2.1 abort when they are asked over the wire.",
                    remedy="Stop it with SIGTERM or `clio_run runtime stop` on its host.",
                )
            )
        elif call.boot != self._boot:
            call.fail(RuntimeUnreachable(f"{call}: it was restarted meanwhile; nothing was sent."))
        else:
            return True
        return False

    def _expire(self, call: Call) -> None:
        seconds = f"{call.deadline_s:g} s"
        sent = call.key is not None
        self._calls.drop(call)
        if sent:
            call.fail(RuntimeTimedOut(f"{call}: no answer within {seconds}."))
        elif self.state is LinkState.DETECTING:
            call.fail(
                RuntimeTimedOut(
                    f"{call}: its wire generation was still being found out after {seconds}."
                )
            )
        else:
            call.fail(RuntimeUnreachable(f"{call}: no connection within {seconds}."))

    # --- ending

    def _end(self, failure: RuntimeFailure) -> None:
        self._cancel_wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for key in self._probes:
            self._hub.key_drop(key)
        self._probes = {}
        self._detection = None
        self.state = LinkState.IDLE
        self._hub.published(self.connection())
        self._calls.fail_all(failure)

    def _unreachable(self, why: str) -> RuntimeUnreachable:
        return RuntimeUnreachable(f"{self.target}: {why}.")

    def _wait(self, delay_s: float, work: Work) -> None:
        self._cancel_wait()
        self._timer = self._hub.after(delay_s, work)

    def _cancel_wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
