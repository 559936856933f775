"""Raw answers of a runtime → typed values. The only file that knows the wire's keys.

Every function takes the bytes of one container's answer and raises `ContractBroken`,
naming node, query and key, when they don't hold what the protocol promises. Nothing else
is raised, whatever the bytes are. Keys that this release does not know survive in
``extra``; an unknown value is ``None``. Names are cut at 255 characters, and NUL and
invalid UTF-8 become U+FFFD, so that what is returned can be stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from math import inf
from operator import itemgetter
from typing import Any, TypeVar

from apps.runtime.errors import RuntimeRefused
from apps.runtime.fields import MAX_DOCUMENT_CHARS, MAX_ID, MAX_NAME_CHARS, Fields, Place
from apps.runtime.storable import clean_text, storable_map
from apps.runtime.types import (
    Answer,
    BlockDevice,
    Container,
    HostInfo,
    Method,
    PoolStats,
    SystemSample,
    Target,
    WorkerFigures,
)
from apps.runtime.unpack import MAX_ANSWER_BYTES, MalformedError, entries_unpack, value_unpack

HOST_INFO = "get_host_info"
WORKERS = "worker_stats"
SYSTEM = "system_stats"
BLOCK_DEVICES = "bdev_stats"
CONTAINERS = "container_stats"

_POOL_ID = re.compile(r"\d{1,10}\.\d{1,10}", re.ASCII)
DOCUMENT_ITEMS = 1_000
"""Values in a pool's figures or a device's JSON text; SMART data has some hundred."""


Row = TypeVar("Row")


def answer_part(answer: Answer, *, target: Target, query: str) -> bytes:
    """The target's own part of an answer to a locally routed query.

    The admin pool's container id is the node id. Raises `RuntimeRefused` for a return code
    other than 0, and `ContractBroken` when the target's part is not there: the
    runtime does not know the query, or another node than the host file says answered.
    """
    place = Place(target, query)
    if answer.return_code != 0:
        raise RuntimeRefused(
            f"{target}, {query}: return code {answer.return_code}.",
            return_code=answer.return_code,
        )
    part = answer.parts.get(target.node_id)
    if part is not None:
        return part
    if not answer.parts:
        raise place.broken(
            "the answer is empty",
            remedy="The runtime does not know this query: compare its release with the portal's.",
        )
    others = ", ".join(str(node_id) for node_id in sorted(answer.parts)[:8])
    raise place.broken(
        f"the answer holds node {others} and not node {target.node_id}",
        remedy=(
            "The runtime at this address has another node id than its line in the portal's "
            "host file: give the portal the host file that the runtimes use."
        ),
    )


def decode_host_info(data: bytes, *, target: Target) -> HostInfo:
    place = Place(target, HOST_INFO)
    fields = Fields(_value(data, place), place)
    return HostInfo(
        hostname=fields.text("hostname"),
        ip_address=fields.text("ip_address"),
        node_id=fields.identifier("node_id"),
        extra=fields.rest(),
    )


def decode_workers(data: bytes, *, target: Target) -> tuple[WorkerFigures, ...]:
    """Workers in the runtime's order. An empty entry stands for a missing worker: left out."""
    place = Place(target, WORKERS)
    workers = tuple(_rows(data, place, _worker))
    _unique(workers, lambda worker: worker.worker_id, place, "worker_id")
    return workers


def decode_system_samples(data: bytes, *, target: Target) -> tuple[SystemSample, ...]:
    """Samples by event id, ascending, each id once.

    The runtime's ring is written while it is read: an entry can be empty (left out), or
    already hold a newer sample, which then comes out of order or twice.
    """
    by_id = {sample.event_id: sample for sample in _rows(data, Place(target, SYSTEM), _sample)}
    return tuple(by_id[event_id] for event_id in sorted(by_id))


def decode_block_devices(data: bytes, *, target: Target) -> tuple[BlockDevice, ...]:
    place = Place(target, BLOCK_DEVICES)
    devices = tuple(_rows(data, place, _block_device))
    known = [device for device in devices if device.stats_known]
    _unique(known, lambda device: device.pool_id, place, "pool_id")
    return devices


def decode_containers(data: bytes, *, target: Target) -> tuple[Container, ...]:
    place = Place(target, CONTAINERS)
    containers = tuple(_rows(data, place, _container))
    _unique(containers, lambda one: (one.pool_id, one.container_id), place, "pool_id")
    return containers


def decode_pool_stats(data: bytes, *, target: Target, query: str) -> PoolStats:
    """A pool's answer, as a map, as plain text (``563.0``), or as bare bytes.

    Odd bytes are no error: some ChiMods answer in text that only looks like MessagePack.
    """
    if len(data) > MAX_ANSWER_BYTES:
        raise Place(target, query).broken(f"the answer has {len(data)} bytes")
    try:
        value = value_unpack(data)
    except MalformedError:
        return PoolStats(raw=data, text=_plain_text(data))
    if isinstance(value, dict):
        return PoolStats(raw=data, figures=_document(value))
    return PoolStats(raw=data, text=_plain_text(data))


def json_text_parse(text: str | None) -> dict[str, Any] | None:
    """A device's JSON text (``device_health``, ``failure_prediction``) as a bounded, storable map.

    ``None`` for no text, for text that is no JSON object, and for an empty object, which
    is what a runtime sends when it has no such data.
    """
    if not text or len(text) > MAX_DOCUMENT_CHARS:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _document(value) or None if isinstance(value, dict) else None


def _worker(fields: Fields, _place: Place) -> WorkerFigures:
    return WorkerFigures(
        worker_id=fields.identifier("worker_id"),
        is_running=fields.flag("is_running"),
        is_active=fields.flag("is_active"),
        idle_iterations=fields.count("idle_iterations"),
        num_queued_tasks=fields.count("num_queued_tasks"),
        num_blocked_tasks=fields.count("num_blocked_tasks"),
        num_periodic_tasks=fields.count("num_periodic_tasks"),
        num_retry_tasks=fields.count("num_retry_tasks"),
        suspend_period_us=fields.count("suspend_period_us"),
        num_tasks_processed=fields.count("num_tasks_processed"),
        load=fields.figure("load"),
        extra=fields.rest(),
    )


def _sample(fields: Fields, _place: Place) -> SystemSample:
    event_id = fields.count("event_id")
    cpu_usage_pct = fields.percentage("cpu_usage_pct")
    gpu_count = fields.identifier("gpu_count")
    gpu_usage_pct = fields.percentage("gpu_usage_pct")
    hbm_usage_pct = fields.percentage("hbm_usage_pct")
    hbm_used_bytes = fields.count("hbm_used_bytes")
    hbm_total_bytes = fields.count("hbm_total_bytes")
    has_gpu = gpu_count > 0
    has_hbm = has_gpu and hbm_total_bytes > 0
    return SystemSample(
        event_id=event_id,
        timestamp_ns=fields.count("timestamp_ns"),
        wall_time_ns=fields.count("wall_time_ns"),
        node_id=fields.identifier("node_id"),
        hostname=fields.text("hostname"),
        ip_address=fields.text("ip_address"),
        is_leader=fields.flag("is_leader"),
        # CPU use is a difference to the sample before, and the first has none before it.
        cpu_usage_pct=cpu_usage_pct if event_id > 0 else None,
        ram_usage_pct=fields.percentage("ram_usage_pct"),
        ram_total_bytes=fields.count("ram_total_bytes"),
        ram_available_bytes=fields.count("ram_available_bytes"),
        gpu_count=gpu_count,
        gpu_usage_pct=gpu_usage_pct if has_gpu else None,
        hbm_usage_pct=hbm_usage_pct if has_hbm else None,
        hbm_used_bytes=hbm_used_bytes if has_hbm else None,
        hbm_total_bytes=hbm_total_bytes if has_hbm else None,
        extra=fields.rest(),
    )


def _block_device(fields: Fields, place: Place) -> BlockDevice:
    pool_id = fields.text("pool_id")
    stats = fields.raw("stats")
    if stats is None:
        # The runtime then names the pool by id or, in some releases, by its name.
        return _unread_device(pool_id, fields)
    if not _POOL_ID.fullmatch(pool_id):
        raise place.broken(f"'pool_id' is {pool_id[:40]!r}, not of the form major.minor")
    figures = Fields(stats, place.at("'stats'"))
    return BlockDevice(
        pool_id=pool_id,
        pool_name=figures.text("pool_name"),
        stats_known=True,
        bdev_type=figures.identifier("bdev_type"),
        total_capacity=figures.count("total_capacity"),
        remaining_capacity=figures.count("remaining_capacity"),
        read_bandwidth_mbps=figures.figure("read_bandwidth_mbps"),
        write_bandwidth_mbps=figures.figure("write_bandwidth_mbps"),
        read_latency_us=figures.figure("read_latency_us"),
        write_latency_us=figures.figure("write_latency_us"),
        iops=figures.figure("iops"),
        total_reads=figures.count("total_reads"),
        total_writes=figures.count("total_writes"),
        total_bytes_read=figures.count("total_bytes_read"),
        total_bytes_written=figures.count("total_bytes_written"),
        # These three came with 2.2.
        device_health=figures.optional_document("device_health"),
        failure_prediction=figures.optional_document("failure_prediction"),
        predicted_ttl_days=figures.optional_count("predicted_ttl_days"),
        extra={**figures.rest(), **fields.rest()},
    )


def _unread_device(pool_id: str, fields: Fields) -> BlockDevice:
    return BlockDevice(
        pool_id=pool_id,
        pool_name=None,
        stats_known=False,
        bdev_type=None,
        total_capacity=None,
        remaining_capacity=None,
        read_bandwidth_mbps=None,
        write_bandwidth_mbps=None,
        read_latency_us=None,
        write_latency_us=None,
        iops=None,
        total_reads=None,
        total_writes=None,
        total_bytes_read=None,
        total_bytes_written=None,
        device_health=None,
        failure_prediction=None,
        predicted_ttl_days=None,
        extra=fields.rest(),
    )


def _container(fields: Fields, place: Place) -> Container:
    pool_id = fields.text("pool_id")
    if not _POOL_ID.fullmatch(pool_id):
        raise place.broken(f"'pool_id' is {pool_id[:40]!r}, not of the form major.minor")
    methods = fields.raw("methods")
    if not isinstance(methods, list):
        raise place.broken("'methods' must be an array")
    return Container(
        pool_id=pool_id,
        pool_name=fields.text("pool_name"),
        chimod_name=fields.text("chimod_name"),
        container_id=fields.identifier("container_id"),
        learning_rate=fields.figure("learning_rate"),
        methods=tuple(_named_methods(methods, place)),
        extra=fields.rest(),
    )


def _named_methods(methods: list[Any], place: Place) -> Iterator[Method]:
    for index, raw in enumerate(methods):
        if raw == {} or (isinstance(raw, dict) and raw.get("name") == ""):
            continue
        plain = _plain_method(raw)
        if plain is not None:
            if plain.name:
                yield plain
            continue
        fields = Fields(raw, place.at(f"method {index}"))
        name = fields.text("name")
        yield Method(
            id=fields.identifier("id"),
            name=name,
            coefficient=fields.figure("coefficient"),
            mape=fields.figure("mape"),
            wall_coefficient=fields.figure("wall_coefficient"),
            wall_mape=fields.figure("wall_mape"),
            extra=fields.rest(),
        )


_METHOD_VALUES = itemgetter("id", "name", "coefficient", "mape", "wall_coefficient", "wall_mape")


def _plain_method(raw: object) -> Method | None:
    """A method of the usual shape, checked in one go; ``None``: it has to be looked at key by key.

    A node has some 200 methods; key by key, those of a large fleet take seconds.
    """
    if not isinstance(raw, dict) or len(raw) != 6:
        return None
    try:
        number, name, *figures = _METHOD_VALUES(raw)
    except KeyError:
        return None
    usual = (
        type(number) is int
        and 0 <= number <= MAX_ID
        and type(name) is str
        and len(name) <= MAX_NAME_CHARS
        and name.isascii()
        and name.isprintable()
        and all(type(figure) is float and 0.0 <= figure < inf for figure in figures)
    )
    return Method(number, name, *figures) if usual else None


def _rows(data: bytes, place: Place, row: Callable[[Fields, Place], Row]) -> Iterator[Row]:
    try:
        for index, raw in enumerate(entries_unpack(data)):
            if raw == {}:
                continue
            inside = place.at(f"entry {index}")
            yield row(Fields(raw, inside), inside)
    except MalformedError as error:
        raise place.broken(f"the answer can't be read: {error}") from error


def _value(data: bytes, place: Place) -> Any:
    try:
        return value_unpack(data)
    except MalformedError as error:
        raise place.broken(f"the answer can't be read: {error}") from error


def _unique(
    rows: tuple[Row, ...] | list[Row], key: Callable[[Row], object], place: Place, name: str
) -> None:
    seen: set[object] = set()
    for row in rows:
        if key(row) in seen:
            raise place.broken(f"two entries have the same {name!r}, {key(row)}")
        seen.add(key(row))


def _plain_text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return clean_text(text, most=MAX_DOCUMENT_CHARS) if text.isprintable() else None


def _document(value: dict[Any, Any]) -> dict[str, Any]:
    return storable_map(value, items=DOCUMENT_ITEMS, text_chars=MAX_DOCUMENT_CHARS)
