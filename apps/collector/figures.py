"""Typed figures of a runtime → the JSON shapes of the API contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Protocol

from apps.runtime.types import (
    BlockDevice,
    Container,
    Extra,
    Method,
    SystemSample,
    WorkerFigures,
)


class _HasExtra(Protocol):
    @property
    def extra(self) -> Extra: ...


def _names(of: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(of) if item.name not in ("extra", "methods"))


_SAMPLE = _names(SystemSample)
_WORKER = _names(WorkerFigures)
_DEVICE = tuple(name for name in _names(BlockDevice) if name != "stats_known")
_CONTAINER = _names(Container)
_POOL = tuple(name for name in _CONTAINER if name != "learning_rate")
_METHOD = _names(Method)


def _plain(row: _HasExtra, names: Sequence[str]) -> dict[str, Any]:
    """Known fields by name; keys that this version does not know come along after them."""
    known = {name: getattr(row, name) for name in names}
    if not row.extra:
        return known
    return known | {key: value for key, value in row.extra.items() if key not in known}


def entry_figures(sample: SystemSample) -> dict[str, Any]:
    """A contract Entry."""
    return _plain(sample, _SAMPLE)


def worker_figures(workers: Iterable[WorkerFigures]) -> list[dict[str, Any]]:
    """Contract Workers."""
    return [_plain(worker, _WORKER) for worker in workers]


def device_figures(device: BlockDevice) -> dict[str, Any]:
    """A contract Device, without rates."""
    return _plain(device, _DEVICE)


def container_figures(containers: Iterable[Container]) -> list[dict[str, Any]]:
    """Contract Containers."""
    return [
        _plain(container, _CONTAINER)
        | {"methods": [_plain(method, _METHOD) for method in container.methods]}
        for container in containers
    ]


def pool_figures(containers: Iterable[Container]) -> list[dict[str, Any]]:
    """The containers' names and ids alone."""
    return [{name: getattr(container, name) for name in _POOL} for container in containers]
