"""What differs between two versions of the configuration, for the audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apps.cluster.models import ConfigVersion

MOST_VALUES = 200
"""A trail is no archive: the versions themselves are kept whole."""
LONGEST_VALUE = 500

Values = dict[str, Any]


def config_changes(old: ConfigVersion | None, new: ConfigVersion | None) -> tuple[Values, Values]:
    """(before, after): number, path and hash of each, and the values that differ by their place.

    Places are written as ``config.compose[2].capacity``. Of a first version no values are listed.
    """
    before, after = _head(old), _head(new)
    if old is None or new is None:
        return before, after
    was, now = dict(_values(old.config, "config")), dict(_values(new.config, "config"))
    places = [place for place in {**was, **now} if was.get(place) != now.get(place)]
    for place in places[:MOST_VALUES]:
        if place in was:
            before[place] = was[place]
        if place in now:
            after[place] = now[place]
    if len(places) > MOST_VALUES:
        after["more values that differ"] = len(places) - MOST_VALUES
    if old.hosts != new.hosts:
        before["hosts"], after["hosts"] = _some(old.hosts), _some(new.hosts)
    return before, after


def _head(version: ConfigVersion | None) -> Values:
    if version is None:
        return {}
    return {
        "version": version.number,
        "path": version.path,
        "sha256": version.sha256,
        "nodes": len(version.hosts),
    }


def _some(hosts: list[str]) -> list[str]:
    rest = len(hosts) - MOST_VALUES
    return [*hosts[:MOST_VALUES], f"and {rest} more"] if rest > 0 else hosts


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """(place, value) of every leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _values(item, f"{place}.{key}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _values(item, f"{place}[{index}]")
    else:
        yield place, value[:LONGEST_VALUE] if isinstance(value, str) else value
