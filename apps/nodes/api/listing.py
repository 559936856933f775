"""Filter, order and page of the lists in answers: the same words on every route.

A list without any of them is whole, as the documented dashboard gave it. With `limit` or
`offset` the answer says how many there are (`count`) and where the `next` page is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.nodes.api.errors import BadParameter

MOST = 10_000
POOL_ID = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
TRUE, FALSE = "true", "false"

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What of a list is asked for. `wanted`: field → the value it must have, as text."""

    path: str
    asked: Mapping[str, str]
    wanted: Mapping[str, str]
    text: str
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    offset: int

    @property
    def is_whole(self) -> bool:
        """Nothing is asked: the list as it is."""
        return not (self.wanted or self.text or self.order or self.is_paged)

    @property
    def is_paged(self) -> bool:
        return self.limit is not None or self.offset > 0

    def chosen(self, items: Iterable[Item], *, texts: Sequence[str] = ()) -> list[Item]:
        """Those that match, in the order asked for. `texts`: fields in which `q` looks."""
        return self.ordered(item for item in items if self._matches(item, texts))

    def ordered(self, items: Iterable[Item]) -> list[Item]:
        found = list(items)
        for field, descending in reversed(self.order):
            found = _sorted(found, field, descending=descending)
        return found

    def page(self, items: Sequence[Item]) -> tuple[list[Item], dict[str, Any]]:
        """This page, and what an answer says of the whole (nothing when it is not paged)."""
        if not self.is_paged:
            return list(items), {}
        end = len(items) if self.limit is None else self.offset + self.limit
        following = urlencode({**self.asked, "offset": str(end)}) if end < len(items) else None
        return list(items[self.offset : end]), {
            "count": len(items),
            "next": f"{self.path}?{following}" if following else None,
        }

    def _matches(self, item: Item, texts: Sequence[str]) -> bool:
        if any(_text(item[field]) != value for field, value in self.wanted.items()):
            return False
        part = self.text.casefold()
        return not part or any(part in str(item[field] or "").casefold() for field in texts)


def listing_read(
    request: Request,
    *,
    orders: Sequence[str],
    filters: Mapping[str, Sequence[str]] | None = None,
    searched: bool = False,
) -> Listing:
    """`orders`: fields to order by. `filters`: field → its values, none listed: any text.

    Raises BadParameter (400).
    """
    given = request.query_params
    wanted = {}
    for field, values in (filters or {}).items():
        value = given.get(field, "")
        if value and values and value not in values:
            raise BadParameter(field, value, wanted=f"one of {', '.join(values)}")
        if value:
            wanted[field] = value
    return Listing(
        path=request.path,
        asked=given.dict(),
        wanted=wanted,
        text=given.get("q", "") if searched else "",
        order=tuple(_order(given.get("order", ""), orders)),
        limit=_whole(given.get("limit"), "limit", low=1),
        offset=_whole(given.get("offset"), "offset", low=0) or 0,
    )


def listing_parameters(
    *,
    orders: Sequence[str],
    filters: Mapping[str, Sequence[str]] | None = None,
    searched: str = "",
) -> list[OpenApiParameter]:
    """The same for the schema. `searched`: in what `q` looks, in words."""
    found = [
        OpenApiParameter(
            field,
            {"type": "string", **({"enum": [*values, ""]} if values else {})},
            description=f"Only those whose `{field}` is this; all when empty.",
        )
        for field, values in (filters or {}).items()
    ]
    if searched:
        found.append(OpenApiParameter("q", {"type": "string"}, description=searched))
    names = "|".join(orders)
    return [
        *found,
        OpenApiParameter(
            "order",
            {"type": "string", "pattern": f"^(-?({names})(,-?({names}))*)?$"},
            description="Fields to order by, with commas; `-` before one: the highest first. "
            "What is not known comes last.",
        ),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MOST},
            description="At most so many; the answer then has `count` and `next`.",
        ),
        OpenApiParameter(
            "offset",
            {"type": "integer", "minimum": 0, "maximum": 999_999_999},
            description="Leave out so many at the beginning.",
        ),
    ]


def limit_parse(text: str | None) -> int | None:
    """`limit` of a list that is paged by its own numbers. Raises BadParameter (400)."""
    return _whole(text, "limit", low=1)


def _order(text: str, orders: Sequence[str]) -> Iterable[tuple[str, bool]]:
    for word in (part for part in text.split(",") if part):
        field = word.removeprefix("-")
        if field not in orders:
            raise BadParameter("order", text, wanted=f"made of {', '.join(orders)}")
        yield field, word.startswith("-")


def _whole(text: str | None, name: str, *, low: int) -> int | None:
    if text is None:
        return None
    most = MOST if low else 999_999_999
    if not WHOLE.fullmatch(text) or not low <= int(text) <= most:
        raise BadParameter(name, text, wanted=f"a whole number from {low} to {most}")
    return int(text)


def _sorted(items: list[Item], field: str, *, descending: bool) -> list[Item]:
    """Stable; what is not known comes last, whichever end is first."""
    known = [item for item in items if item[field] is not None]
    rest = [item for item in items if item[field] is None]
    return sorted(known, key=lambda item: _key(item[field]), reverse=descending) + rest


def _key(value: Any) -> Any:
    """Pool ids by their numbers (301.2 before 301.10), other texts without regard to case."""
    if not isinstance(value, str):
        return value
    numbers = POOL_ID.fullmatch(value)
    return (int(numbers[1]), int(numbers[2]), "") if numbers else (0, 0, value.casefold())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return TRUE if value else FALSE
    return "null" if value is None else str(value)
