"""The node filter of pages and API: ids, ranges, and parts of names, mixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from apps.nodes.errors import FilterError
from apps.nodes.rows import NodeRow
from apps.runtime.types import NodeState

MAX_FILTER_CHARS = 1000
MAX_TERMS = 200

_ID = re.compile(r"\d{1,9}", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)
_ONLY_DIGITS_AND_DASHES = re.compile(r"[\d-]+", re.ASCII)
_SEPARATORS = re.compile(r"[,;\s]+")

Matcher = Callable[[NodeRow], bool]


def topology_filter(
    rows: Iterable[NodeRow], *, text: str = "", states: Sequence[str] = ()
) -> list[NodeRow]:
    """Rows that match any term of `text` and any of `states`; an empty filter matches all.

    Terms are separated by commas or blanks: ``5`` an id, ``10-12`` ids from 10 to 12,
    anything else a part of the name, host name, address or IP address, case ignored.
    Raises FilterError for what can't be a filter.
    """
    matchers = _parse(text)
    wanted = _states(states)
    return [
        row
        for row in rows
        if (not wanted or row.state in wanted)
        and (not matchers or any(matches(row) for matches in matchers))
    ]


def _states(states: Sequence[str]) -> set[NodeState]:
    known = {state.value for state in NodeState}
    for state in states:
        if state not in known:
            raise FilterError(f"{state[:40]!r} is no node state; there are {', '.join(known)}.")
    return {NodeState(state) for state in states}


def _parse(text: str) -> list[Matcher]:
    if len(text) > MAX_FILTER_CHARS:
        raise FilterError(f"The filter is longer than {MAX_FILTER_CHARS} characters.")
    terms = [term for term in _SEPARATORS.split(text) if term]
    if len(terms) > MAX_TERMS:
        raise FilterError(f"The filter has more than {MAX_TERMS} terms.")
    return [_matcher(term) for term in terms]


def _matcher(term: str) -> Matcher:
    if _ID.fullmatch(term):
        node_id = int(term)
        return lambda row: row.node_id == node_id
    if found := _RANGE.fullmatch(term):
        first, last = int(found[1]), int(found[2])
        if first > last:
            raise FilterError(f"The range {term} runs backwards; did you mean {last}-{first}?")
        return lambda row: first <= row.node_id <= last
    if _ONLY_DIGITS_AND_DASHES.fullmatch(term):
        raise FilterError(f"{term[:40]!r} is neither a node id nor a range such as 0-15.")
    part = term.casefold()
    return lambda row: any(
        part in value.casefold() for value in (row.name, row.hostname, row.address, row.ip_address)
    )
