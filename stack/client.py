"""The portal over HTTP, as a browser and as its scripts see it."""

from __future__ import annotations

import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

TIMEOUT_S = 75.0
POLL_S = 0.5
Found = TypeVar("Found")


class ScenarioError(AssertionError):
    """The portal did not do what it should; the message says what it did."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class PortalClient:
    """Signs in with a form, keeps its cookies, sends the CSRF token along."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._csrf = ""
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self._open(urllib.request.Request(self.url + path, headers=headers))  # noqa: S310

    def sign_in(self, username: str, password: str) -> None:
        page = self.get("/accounts/login/")
        fields = {"username": username, "password": password, "csrfmiddlewaretoken": _token(page)}
        body = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/accounts/login/", data=body, headers={"Referer": f"{self.url}/"}
        )
        answer = self._open(request)
        if answer.status != 200 or "Sign out" not in answer.text:
            raise ScenarioError(f"No sign-in: {answer.status} {answer.text[:500]}")
        self._csrf = _token(answer)

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Answer:
        given = {
            "Content-Type": "application/json",
            "Referer": f"{self.url}/",
            "X-CSRFToken": self._csrf,
        }
        request = urllib.request.Request(  # noqa: S310
            self.url + path, data=json.dumps(body).encode(), headers=given | headers
        )
        return self._open(request)

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())
        except OSError as error:
            return Answer(0, {}, str(error))


def _token(page: Answer) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    if found is None:
        raise ScenarioError(f"No form on the page: {page.status} {page.text[:500]}")
    return found[1]


def wait_for(what: str, look: Callable[[], Found | None], *, limit_s: float) -> Found:
    """The first result that is not ``None``. Raises ScenarioError after `limit_s`."""
    until = time.monotonic() + limit_s
    while (found := look()) is None:
        if time.monotonic() > until:
            raise ScenarioError(f"Not within {limit_s:g} s: {what}")
        time.sleep(POLL_S)
    return found
