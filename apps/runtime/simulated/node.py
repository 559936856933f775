"""One simulated runtime process: what it answers, and what a bad client does to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from apps.runtime.simulated.answers import (
    MALFORMED_URI,
    OK,
    Life,
    PartAnswer,
    is_pool_uri,
    pool_exists,
    pool_uri_parse,
    query_answer,
    query_name,
)
from apps.runtime.simulated.bodies import (
    Call,
    Effect,
    Kind,
    body_effect,
    call_parse,
    reply_pack,
    reply_port,
)
from apps.runtime.simulated.boot import boot_make
from apps.runtime.simulated.clock import Clock
from apps.runtime.simulated.containers import pools_listed
from apps.runtime.simulated.faults import Fault, FaultSetting, Value, fault_setting
from apps.runtime.simulated.mutate import part_mutate, reply_mutate
from apps.runtime.simulated.profile import Profile
from apps.runtime.simulated.routing import route_targets
from apps.runtime.types import WireGeneration
from apps.runtime.wire.layout import Method
from apps.runtime.wire.outputs import (
    ConnectOutput,
    connect_output_build,
    monitor_output_build,
    stop_output_build,
)

NETWORK_TIMEOUT = -1000
MAX_PAIRS = 1_000
"""(identity, port) pairs that a 2.2 runtime serves in its life; a 2.3 forgets the oldest."""

STOP_TAKES_S = 0.6
KNOWN_DEAD_PEER_S = 0.4
_IDENTITY_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:")


class Condition(StrEnum):
    """Of the process, not of a fault set by hand."""

    SERVING = "serving"
    HUNG = "hung"
    """A client's frame hung its client port: it accepts, and answers nobody again."""
    DEAD = "dead"
    """A client's frame killed it."""
    STOPPED = "stopped"


class Reply(NamedTuple):
    """A body to send, ``delay_s`` from now. ``port`` is ``None`` for generation 2.0.

    ``body`` ``None`` opens the way back to the client and sends nothing.
    """

    identity: bytes
    port: int | None
    body: bytes | None
    delay_s: float = 0.0


class Peers(Protocol):
    """What a node knows of its cluster."""

    def peer(self, node_id: int) -> SimNode | None: ...

    def node_count(self) -> int: ...

    def stop_later(self, node: SimNode, after_s: float) -> None: ...

    def peer_timeout_s(self) -> float: ...


@dataclass(slots=True)
class Seen:
    """What reached a node since it was made (restarts do not reset it)."""

    calls: Counter[str] = field(default_factory=Counter)
    """Requests served or held, by query name, ``client_connect`` and ``stop_runtime``."""
    kinds: Counter[Kind] = field(default_factory=Counter)
    """Bodies by what they were to this generation."""
    bad_identities: int = 0
    identity_conflicts: int = 0
    """Requests whose identity came before with another reply port: two clients, one name."""
    pairs_refused: int = 0

    @property
    def legacy_frames(self) -> int:
        return self.kinds[Kind.FRAME_2_0]

    @property
    def harmful_frames(self) -> int:
        """Bodies that no client may ever send: everything but requests and the 2.3 probe."""
        return self.kinds.total() - self.kinds[Kind.REQUEST] - self.kinds[Kind.FRAME_2_3]


class SimNode:
    """A simulated runtime. Not thread-safe: one thread feeds it."""

    def __init__(
        self,
        profile: Profile,
        *,
        generation: WireGeneration,
        clock: Clock,
        peers: Peers,
        ring_length: int,
        uptime_s: float,
    ) -> None:
        boot = boot_make(profile.key, 0, clock, uptime_s=uptime_s)
        pools = pools_listed(profile, generation)
        self.life = Life(pools, profile, generation, clock, boot, ring_length)
        self.condition = Condition.SERVING
        self.seen = Seen()
        self.held: list[tuple[bytes, bytes]] = []
        self._peers = peers
        self._faults: dict[Fault, FaultSetting] = {}
        self._pairs: set[tuple[bytes, int]] = set()
        self._ports: dict[bytes, int] = {}
        self._dead_peers: set[int] = set()
        self._replies = 0

    @property
    def node_id(self) -> int:
        return self.life.profile.node_id

    @property
    def pairs_spent(self) -> int:
        """(identity, port) pairs seen in this boot."""
        return len(self._pairs)

    @property
    def faults(self) -> tuple[FaultSetting, ...]:
        return tuple(self._faults.values())

    def has_fault(self, fault: Fault) -> bool:
        return fault in self._faults

    def answers_peers(self) -> bool:
        silent = (Fault.HUNG, Fault.FROZEN, Fault.SILENT, Fault.REFUSES)
        return self.condition is Condition.SERVING and not any(map(self.has_fault, silent))

    def fault_set(self, fault: Fault, values: dict[str, Value]) -> None:
        """Raises ValueError for a parameter that the fault does not have."""
        self._faults[fault] = fault_setting(fault, values)

    def fault_clear(self, fault: Fault | None = None) -> None:
        """Clear one fault, or all of them. Held requests stay in ``held`` for the caller."""
        if fault is None:
            self._faults.clear()
        else:
            self._faults.pop(fault, None)

    def restart(self) -> None:
        """A new process: event ids and counters from 0, a new number, no pair spent."""
        life = self.life
        life.boot = boot_make(life.profile.key, life.boot.number + 1, life.clock)
        self.condition = Condition.SERVING
        self.held.clear()
        self._pairs.clear()
        self._ports.clear()
        self._dead_peers.clear()

    def receive(self, identity: bytes, body: bytes) -> list[Reply]:
        """Take one body from a client; the replies that it leads to, often one."""
        if self.condition is not Condition.SERVING or self.has_fault(Fault.SILENT):
            return []
        if self.has_fault(Fault.HUNG):
            self.held.append((identity, body))
            return []
        kind, effect = body_effect(body, self.life.generation)
        self.seen.kinds[kind] += 1
        if effect is Effect.DIE:
            self.condition = Condition.DEAD
        elif effect is Effect.HANG:
            self.condition = Condition.HUNG
        if effect not in (Effect.SERVE, Effect.DIAL_BACK):
            return []
        port = self._way_back(identity, body)
        if port == 0:
            return []
        if effect is Effect.DIAL_BACK:
            return [Reply(identity, port, None)]
        return self._serve(identity, port, call_parse(body, self.life.generation))

    # --- the way back -------------------------------------------------------------------

    def _way_back(self, identity: bytes, body: bytes) -> int | None:
        """Port to dial, ``None`` to answer on the socket itself, 0 when there is no way."""
        if self.life.generation is WireGeneration.V2_0:
            return None
        port = reply_port(body)
        if not identity_dialable(identity) or port is None:
            self.seen.bad_identities += 1
            return 0
        if self._ports.setdefault(identity, port) != port:
            self.seen.identity_conflicts += 1
        pair = (identity, port)
        if pair not in self._pairs:
            if self.life.generation is WireGeneration.V2_2 and len(self._pairs) >= MAX_PAIRS:
                self.seen.pairs_refused += 1
                return 0
            self._pairs.add(pair)
        return port

    # --- requests -----------------------------------------------------------------------

    def _serve(self, identity: bytes, port: int | None, call: Call) -> list[Reply]:
        body: bytes | None
        delay_s = 0.0
        if call.method == Method.CLIENT_CONNECT:
            name, body = "client_connect", self._connect(call)
        elif call.method == Method.STOP_RUNTIME:
            name, body = "stop_runtime", self._stop(call)
        elif call.method == Method.MONITOR:
            name = query_name(call.query)
            body, delay_s = self._monitor(call, name)
        else:
            return []
        self.seen.calls[name] += 1
        if body is None:
            return []
        return self._replies_make(identity, port, body, name, delay_s)

    def _connect(self, call: Call) -> bytes:
        boot = self.life.boot
        output = connect_output_build(
            ConnectOutput(0, boot.generation, boot.pid), self.life.generation
        )
        return reply_pack(call, self.life.generation, OK, self.node_id, output)

    def _stop(self, call: Call) -> bytes | None:
        """2.0 aborts without a word; later ones answer, then go."""
        targets = route_targets(call.route, self.node_id, self._peers.node_count())
        if not targets:
            return None
        target = self._peers.peer(targets[0][1])
        if target is None:
            return None
        if self.life.generation is WireGeneration.V2_0:
            target.condition = Condition.DEAD
            return None
        self._peers.stop_later(target, STOP_TAKES_S)
        return reply_pack(call, self.life.generation, OK, target.node_id, stop_output_build(""))

    def _monitor(self, call: Call, name: str) -> tuple[bytes | None, float]:
        """The reply and how long a route through dead peers holds it up."""
        setting = self._faults.get(Fault.RETURN_CODE)
        if setting is not None and setting.applies(name):
            return self._monitor_pack(call, int(setting.number("code")), {}), 0.0
        pool_id, query, route = call.pool_id, call.query, call.route
        targets = route_targets(route, self.node_id, self._peers.node_count())
        if not targets or not pool_exists(self.life, pool_id):
            return None, 0.0
        if is_pool_uri(query):
            uri = pool_uri_parse(query)
            if uri is None:
                return self._monitor_pack(call, MALFORMED_URI, {}), 0.0
            pool_id, query = uri.pool_id, uri.selector
            inner = route_targets(uri.route, targets[0][1], self._peers.node_count())
            targets = inner if len(inner) > 1 or len(targets) == 1 else targets
            if not targets:
                return None, 0.0
        return self._gather(call, name, targets, pool_id, query)

    def _gather(
        self,
        call: Call,
        name: str,
        targets: list[tuple[int, int]],
        pool_id: str,
        query: str,
    ) -> tuple[bytes, float]:
        """Ask each target, itself or a peer, as the runtime does behind its client port."""
        parts: dict[int, bytes] = {}
        code, delay_s = OK, 0.0
        for key, node_id in targets:
            node = self if node_id == self.node_id else self._peers.peer(node_id)
            if node is None or (node is not self and not node.answers_peers()):
                code = NETWORK_TIMEOUT
                delay_s = max(delay_s, self._dead_peer_delay_s(node_id))
                continue
            self._dead_peers.discard(node_id)
            answer = node.part_answer(name, pool_id, query)
            code = code or answer.return_code
            if answer.data is not None:
                parts[key] = answer.data
        return self._monitor_pack(call, code, parts, targets[-1][0]), delay_s

    def part_answer(self, name: str, pool_id: str, query: str) -> PartAnswer:
        """This node's own part of an answer, with the faults of its content."""
        answer = query_answer(self.life, pool_id, query)
        settings = self._settings_for(name)
        if answer.data is None or not settings:
            return answer
        return PartAnswer(answer.return_code, part_mutate(answer.data, name, settings))

    def _dead_peer_delay_s(self, node_id: int) -> float:
        """The first call through a dead peer waits for it; later ones know."""
        if node_id in self._dead_peers:
            return KNOWN_DEAD_PEER_S
        self._dead_peers.add(node_id)
        return self._peers.peer_timeout_s()

    def _monitor_pack(
        self, call: Call, code: int, parts: dict[int, bytes], completer: int | None = None
    ) -> bytes:
        finisher = self.node_id if completer is None else completer
        return reply_pack(call, self.life.generation, code, finisher, monitor_output_build(parts))

    def _replies_make(
        self, identity: bytes, port: int | None, body: bytes, name: str, delay_s: float
    ) -> list[Reply]:
        self._replies += 1
        settings = self._settings_for(name)
        if not settings:
            return [Reply(identity, port, body, delay_s)]
        copies = 1
        for setting in settings:
            if setting.fault is Fault.SLOW or (
                setting.fault is Fault.OUT_OF_ORDER and self._replies % 2
            ):
                delay_s += setting.number("seconds")
            elif setting.fault is Fault.DUPLICATE:
                copies = int(setting.number("copies"))
        body = reply_mutate(body, self.life.generation, settings)
        return [Reply(identity, port, body, delay_s)] * copies

    def _settings_for(self, name: str) -> list[FaultSetting]:
        """Faults on one call. Only a slow node is slow to connect, unless a fault names it."""
        found = [setting for setting in self._faults.values() if setting.applies(name)]
        if name in ("client_connect", "stop_runtime"):
            return [
                setting for setting in found if setting.query == name or setting.fault is Fault.SLOW
            ]
        return found


def identity_dialable(identity: bytes) -> bool:
    """Whether a runtime finds a host in a client's identity: ``host:anything``, no underscore."""
    host, colon, _ = identity.partition(b":")
    return bool(colon and host) and _IDENTITY_ALPHABET.issuperset(identity)
