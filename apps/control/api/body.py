"""What requests say: JSON bodies and query parameters, each checked and named when wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from apps.accounts.models import ApiToken
from apps.accounts.sessions import fresh_in_api
from apps.control.actions import action_get
from apps.control.parameters import Values, parameters_checked
from apps.control.services import Order
from apps.nodes.api.errors import BadParameter

REASON_LENGTH = 2000
KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
WHOLE = re.compile(r"\d{1,18}", re.ASCII)
WAIT_DEFAULT_S = 10.0
WAIT_MOST_S = 60.0
TRUE = ("1", "true", "yes")
FALSE = ("", "0", "false", "no")


def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; nothing sent is an empty one. Raises BadParameter."""
    data: Any = request.data
    if not data and not isinstance(data, list):
        return {}
    if not isinstance(data, Mapping):
        raise BadParameter("the body", type(data).__name__, wanted='a JSON object: {"reason": "…"}')
    return data


def text_of(body: Mapping[str, Any], name: str, *, longest: int = REASON_LENGTH) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise BadParameter(name, str(value), wanted=f"a text of at most {longest} characters")
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").strip()


def flag_of(body: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise BadParameter(name, str(value), wanted="true or false")
    return value


def whole_of(body: Mapping[str, Any], name: str, *, default: int, low: int, high: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadParameter(name, str(value), wanted=f"a whole number from {low} to {high}")
    return value


def time_of(text: str, name: str) -> datetime:
    """ISO 8601, in UTC; without a zone it is UTC. Raises BadParameter.

    In UTC, as PostgreSQL takes no zone beyond 16 hours, and Python does.
    """
    try:
        found = parse_datetime(text.replace(" ", "+", 1) if "T" in text else text)
        if found is not None:
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no time, or one before the year 1
        pass
    raise BadParameter(name, text, wanted="a time such as 2026-11-22T12:00:00Z")


def whole_parameter(request: Request, name: str, *, default: int, high: int) -> int:
    text = request.query_params.get(name)
    if text is None or text == "":
        return default
    if not WHOLE.fullmatch(text) or int(text) > high:
        raise BadParameter(name, text, wanted=f"a whole number from 0 to {high}")
    return int(text)


def wait_parameter(request: Request, *, default: float = WAIT_DEFAULT_S) -> float:
    """Seconds to wait for a job's end."""
    text = request.query_params.get("wait")
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text, re.ASCII) or float(text) > WAIT_MOST_S:
        raise BadParameter("wait", text, wanted=f"seconds from 0 to {WAIT_MOST_S:g}")
    return float(text)


def is_script(request: Request) -> bool:
    """Signed in with a token, not with a browser's session."""
    return isinstance(request.auth, ApiToken)


def order_of(request: Request, body: Mapping[str, Any], *, action: str) -> Order:
    """The order in a request's body and headers. Raises BadParameter."""
    return Order(
        action=action,
        reason=text_of(body, "reason"),
        confirmed=flag_of(body, "confirm"),
        fresh=fresh_in_api(request),
        by_script=is_script(request),
        idempotency_key=idempotency_key(request),
        parameters=parameters_of(body, action),
    )


def parameters_of(body: Mapping[str, Any], action: str) -> Values:
    """What is said along with the action. Raises ActionUnknown, BadParameter, ParameterWrong."""
    given = body.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadParameter("parameters", str(given), wanted='a JSON object: {"watch_s": 120}')
    return parameters_checked(action_get(action).parameters, given)


def idempotency_key(request: Request) -> str:
    key: str = request.headers.get("Idempotency-Key", "").strip()
    if key and not KEY.fullmatch(key):
        raise BadParameter("Idempotency-Key", key, wanted="1 to 128 printable characters")
    return key
