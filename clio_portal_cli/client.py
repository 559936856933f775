"""Questions to the portal, and what its refusals mean."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from clio_portal_cli import __version__
from clio_portal_cli.credentials import Credentials
from clio_portal_cli.errors import CliError, Exit

TIMEOUT_S = 30.0
MOST_BYTES = 256 * 1024 * 1024
LONGEST_PAUSE_S = 60
TRIES = 3
LOGIN_AGAIN = (
    "Run clio-portal login with a token that is valid; the portal makes them under your profile."
)

EXITS = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    405: Exit.NO_PORTAL,
    409: Exit.CONFLICT,
    422: Exit.CONFLICT,
    429: Exit.PORTAL_FAILED,
    503: Exit.NO_RUNTIME,
}

Query = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the parsed JSON; ``None`` for a 304. `text` is what was sent."""

    status: int
    body: Any
    headers: Message[str, str]
    text: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to wherever it points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Portal:
    """The API of one portal, with one token."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout_s: float = TIMEOUT_S,
        say: Callable[[str], None] = lambda text: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = credentials.url
        self._token = credentials.token
        self._timeout_s = timeout_s
        self._say = say
        self._sleep = sleep
        self._opener = urllib.request.build_opener(_NoRedirect())

    def get(self, path: str, query: Query | None = None, *, etag: str = "") -> Answer:
        """Raises CliError for everything but 200 and, where an `etag` was given, 304."""
        headers = {"If-None-Match": etag} if etag else {}
        return self._checked(self._patiently("GET", _with_query(path, query), None, headers))

    def get_text(self, path: str, query: Query) -> str:
        """An answer that is no JSON, such as CSV. Raises CliError."""
        answer = self._patiently("GET", _with_query(path, query), None, {})
        return answer.text if answer.status == 200 else str(self._checked(answer).text)

    def send(self, method: str, path: str, body: Mapping[str, Any], *, key: str = "") -> Answer:
        """A request that changes something; 200, 202 and 502 (a job that failed) are answers.

        `key` makes it safe to send twice, so it is sent again when the line breaks.
        """
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode()
        answer = self._patiently(method, path, data, headers, again=bool(key))
        if answer.status == 502 and isinstance(answer.body, dict) and "success" in answer.body:
            return answer
        return self._checked(answer)

    def _patiently(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        *,
        again: bool = True,
    ) -> Answer:
        """Waits when told to (429), and tries again where the line broke."""
        for left in reversed(range(TRIES)):
            try:
                answer = self._once(method, path, data, headers)
            except CliError:
                if not again or not left:
                    raise
                self._sleep(0.5)
                continue
            if answer.status != 429 or not left:
                return answer
            pause_s = min(_whole(answer.headers.get("Retry-After", "")), LONGEST_PAUSE_S)
            self._say(f"The portal has had too many requests; going on in {pause_s} s.")
            self._sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _once(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        request = urllib.request.Request(  # noqa: S310 - http or https: url_check
            self.url + path,
            data=data,
            method=method,
            headers={
                "Authorization": f"Token {self._token}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"clio-portal-cli/{__version__}",
                **headers,
            },
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                return _read(response.status, response.headers, response.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _read(error.code, error.headers, error.read(MOST_BYTES))
        except (urllib.error.URLError, HTTPException, OSError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> CliError:
        reason = getattr(error, "reason", None) or error
        return CliError(
            f"The portal at {self.url} can't be reached: {reason}.",
            exit_code=Exit.NO_PORTAL,
            remedy="Is it running, and is this its address? Another one: --url, CLIO_PORTAL_URL, "
            "or clio-portal login URL.",
        )

    def _checked(self, answer: Answer) -> Answer:
        if answer.status in (200, 202, 304) and (answer.body is not None or answer.status == 304):
            return answer
        if 300 <= answer.status < 400 and answer.status != 304:
            raise CliError(
                f"The portal at {self.url} sends us on to {answer.headers.get('Location', '?')}.",
                exit_code=Exit.NO_PORTAL,
                remedy="Use that address: --url, CLIO_PORTAL_URL, or clio-portal login URL.",
            )
        if not isinstance(answer.body, dict) or "error" not in answer.body:
            raise CliError(
                f"What answers at {self.url} is no CLIO Portal (status {answer.status}, no JSON).",
                exit_code=Exit.NO_PORTAL,
                remedy="Check the address.",
            )
        body = answer.body
        raise CliError(
            str(body["error"]),
            exit_code=EXITS.get(answer.status, Exit.PORTAL_FAILED),
            remedy=_remedy(answer),
        )


def _remedy(answer: Answer) -> str:
    body = answer.body
    parts = [str(body.get("remedy") or "")]
    if answer.status == 401:
        parts = [LOGIN_AGAIN]
    elif body.get("code") == "token_read_only":
        parts = ["Make a token with the scope operate, and use that."]
    elif body.get("code") == "confirm_needed":
        parts = [*(f"- {warning}" for warning in body.get("warnings", [])), "Confirm with --yes."]
    elif body.get("job"):
        parts.append(f"See: clio-portal jobs {body['job']}")
    return "\n".join(part for part in parts if part)


def _read(status: int, headers: Message[str, str], raw: bytes) -> Answer:
    try:
        plain = gzip.decompress(raw) if headers.get("Content-Encoding") == "gzip" else raw
    except (OSError, EOFError, zlib.error):
        plain = b""
    text = plain.decode("utf-8", "replace")
    try:
        body = json.loads(text) if text else None
    except ValueError:
        body = None
    return Answer(status, body, headers, text)


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 1


def _with_query(path: str, query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
    return f"{path}?{urlencode(given, quote_via=quote)}" if given else path
