"""Pages of lists that grow while they are read: by number, so that nothing is told twice."""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.control.api.body import whole_parameter
from apps.control.selectors import MAX_PK
from apps.nodes.api.errors import BadParameter

PAGE_DEFAULT, PAGE_MOST = 50, 500
NEWEST, OLDEST = "-number", "number"

Row = TypeVar("Row", bound=Model)


def _parameter(name: str, kind: dict[str, Any], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description)


PAGING = [
    _parameter(
        "order",
        {"type": "string", "enum": [NEWEST, OLDEST], "default": NEWEST},
        "Newest first, or oldest first.",
    ),
    _parameter("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MOST}, "How many."),
    _parameter("before", {"type": "integer", "minimum": 1}, "Only with a lower number."),
    _parameter("after", {"type": "integer", "minimum": 0}, "Only with a higher number."),
]


def page_read(
    request: Request, wanted: QuerySet[Row], *, number: str = "pk"
) -> tuple[list[Row], str | None]:
    """One page, and the address of the next; ``None``: there is none. Raises BadParameter.

    `number`: the field that counts the rows.
    """
    limit = whole_parameter(request, "limit", default=PAGE_DEFAULT, high=PAGE_MOST) or 1
    before = whole_parameter(request, "before", default=0, high=MAX_PK)
    after = whole_parameter(request, "after", default=0, high=MAX_PK)
    order = request.query_params.get("order", NEWEST)
    if order not in (NEWEST, OLDEST):
        raise BadParameter("order", order, wanted=f"{NEWEST} or {OLDEST}")
    if before:
        wanted = wanted.filter(**{f"{number}__lt": before})
    if after:
        wanted = wanted.filter(**{f"{number}__gt": after})
    found = list(wanted.order_by(number if order == OLDEST else f"-{number}")[: limit + 1])
    page = found[:limit]
    if len(found) <= limit:
        return page, None
    return page, _next(request, "after" if order == OLDEST else "before", getattr(page[-1], number))


def _next(request: Request, name: str, number: int) -> str:
    asked = {**request.query_params.dict(), name: str(number)}
    return f"{request.path}?{urlencode(asked)}"
