"""What every operation of the schema has in common: errors, headers, and examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

Part = dict[str, Any]

EXAMPLES = Path(__file__).with_name("api_examples.yaml")
READING = ("get", "head")
JSON = "application/json"
ERROR_SHAPE = {"$ref": "#/components/schemas/Error"}
TOO_MANY = "Too many requests in this minute; the header `Retry-After` says when to come again."
COMMON: dict[str, tuple[str, str]] = {
    "401": ("NotAuthenticated", "No valid credentials."),
    "403": (
        "NotAllowed",
        "The role, or the token's scope or address range, does not allow it; `code` says which.",
    ),
    "429": ("TooManyRequests", TOO_MANY),
    "500": ("PortalFailed", "A fault of the portal; its log has the request's id."),
}
"""Status → component and meaning: these answers are the same everywhere."""
TOO_LARGE = ("BodyTooLarge", "The body is larger than the portal takes.")
BAD_BODY = "The body or a parameter makes no sense."
NOT_CHANGED = ("NotChanged", "Not changed since the answer with that `ETag`; it has no body.")

HEADERS: Part = {
    "RequestId": {
        "description": "The request's id, as in the portal's log; the caller's own if it sent one.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Changes with the answer; send it back as `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Age": {
        "description": "Whole seconds since `sampled_at`; left out when that is not known.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RetryAfter": {
        "description": "Seconds until the next minute begins.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


@cache
def examples() -> Part:
    """``answers``: operation → status → body. ``errors``: status → bodies. ``bodies``: requests."""
    found: Part = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    return found


def schema_complete(result: Part, generator: Any, request: Any, public: bool) -> Part:
    """A hook of drf-spectacular, called with the whole schema."""
    components: Part = result["components"]
    components["headers"] = HEADERS
    components["examples"] = {
        error["code"]: {"value": error}
        for errors in examples()["errors"].values()
        for error in errors
    }
    components["responses"] = _responses()
    for methods in result["paths"].values():
        for method, operation in methods.items():
            _operation_complete(method, operation, components["schemas"])
    return result


def _responses() -> Part:
    found = {
        name: _error(status, meaning)
        for status, (name, meaning) in {**COMMON, "413": TOO_LARGE}.items()
    }
    found["TooManyRequests"]["headers"]["Retry-After"] = _ref("headers", "RetryAfter")
    name, meaning = NOT_CHANGED
    found[name] = {"description": meaning, "headers": _headers("RequestId", "ETag")}
    return found


def _operation_complete(method: str, operation: Part, shapes: Part) -> None:
    answers: Part = operation["responses"]
    for status, (name, _) in COMMON.items():
        answers[status] = _ref("responses", name)
    if "requestBody" in operation:
        answers.setdefault("400", _error("400", BAD_BODY))
        answers["413"] = _ref("responses", TOO_LARGE[0])
        _body_example_add(operation)
    if method in READING:
        answers["304"] = _ref("responses", NOT_CHANGED[0])
    for status, answer in answers.items():
        if "$ref" not in answer:
            _headers_add(method, status, answer, shapes)
            _examples_add(operation["operationId"], status, answer)
    operation["responses"] = dict(sorted(answers.items()))


def _error(status: str, meaning: str) -> Part:
    answer: Part = {
        "description": meaning,
        "headers": _headers("RequestId"),
        "content": {JSON: {"schema": dict(ERROR_SHAPE)}},
    }
    _examples_add("", status, answer)
    return answer


def _ref(kind: str, name: str) -> Part:
    return {"$ref": f"#/components/{kind}/{name}"}


def _headers(*names: str) -> Part:
    spelt = {"RequestId": "X-Request-ID"}
    return {spelt.get(name, name): _ref("headers", name) for name in names}


def _headers_add(method: str, status: str, answer: Part, shapes: Part) -> None:
    headers = _headers("RequestId")
    if method in READING and status == "200":
        headers |= _headers("ETag")
        if "age_s" in _shape_of(answer, shapes).get("properties", {}):
            headers |= _headers("Age")
    answer["headers"] = headers | answer.get("headers", {})


def _shape_of(answer: Part, shapes: Part) -> Part:
    shape: Part = answer.get("content", {}).get(JSON, {}).get("schema", {})
    name = shape.get("$ref", "").rpartition("/")[2]
    found: Part = shapes.get(name, shape)
    return found


def _examples_add(operation_id: str, status: str, answer: Part) -> None:
    content: Part | None = answer.get("content", {}).get(JSON)
    if content is None:
        return
    example = examples()["answers"].get(operation_id, {}).get(int(status))
    if example is not None:
        content["examples"] = {"example": {"value": example}}
    elif content.get("schema") == ERROR_SHAPE and status in examples()["errors"]:
        content["examples"] = {
            error["code"]: _ref("examples", error["code"]) for error in examples()["errors"][status]
        }


def _body_example_add(operation: Part) -> None:
    example = examples()["bodies"].get(operation["operationId"])
    content: Part | None = operation["requestBody"].get("content", {}).get(JSON)
    if content is not None and example is not None:
        content["examples"] = {"example": {"value": example}}
