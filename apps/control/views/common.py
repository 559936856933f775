"""What the pages of control share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest

from apps.accounts.models import User
from apps.audit.services import Actor
from apps.control.actions import Action
from apps.control.parameters import Parameter, Values

NOTHING_NEW = 204
REASON_LENGTH = 2000
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def user_of(request: HttpRequest) -> User:
    """Who is signed in; the views let nobody else come so far."""
    return cast(User, request.user)


def actor_of(request: HttpRequest) -> Actor:
    return Actor.of(request.user)


def reason_of(request: HttpRequest) -> str:
    """One text without NUL, which PostgreSQL does not keep."""
    given = request.POST.get("reason", "").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return given.strip()[:REASON_LENGTH]


def key_new() -> str:
    """Names one filled-in form: sent twice, it is still one order."""
    return uuid.uuid4().hex


def key_of(request: HttpRequest) -> str:
    given = request.POST.get("key", "")
    return given if _KEY.fullmatch(given) else key_new()


def whole_of(text: str) -> int | None:
    """The number in `text`; ``None`` when there is none."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def parameters_typed(request: HttpRequest, parameters: Sequence[Parameter]) -> dict[str, str]:
    """The fields of parameters as they were typed; empty ones are left out."""
    fields = request.POST if request.method == "POST" else request.GET
    typed = {one.name: fields.get(one.name, "").strip()[:20] for one in parameters}
    return {name: text for name, text in typed.items() if text}


def parameters_meant(typed: Mapping[str, str]) -> dict[str, int | str]:
    """Numbers where numbers were typed; anything else is refused by name with the order."""
    return {name: text if whole_of(text) is None else int(text) for name, text in typed.items()}


def parameter_fields(
    parameters: Sequence[Parameter], typed: Mapping[str, str]
) -> list[tuple[Parameter, str]]:
    """Each with what stands in its field."""
    return [(one, typed.get(one.name, "")) for one in parameters]


def parameters_given(action: Action | None, values: Values) -> list[tuple[Parameter, int]]:
    """What was said along with a job's action, for its page."""
    known = () if action is None else action.parameters
    return [(one, values[one.name]) for one in known if one.name in values]


def query_of(pairs: dict[str, str]) -> str:
    """The filled-in fields of a filter as a query, without its ``?``."""
    return urlencode({name: value for name, value in pairs.items() if value})
