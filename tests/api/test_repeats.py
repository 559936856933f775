"""The same question of the same token within a moment gets a copy; never more than it may."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from pytest_django import Settings

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create, token_revoke
from apps.accounts.services.accounts import account_access_set, account_role_set
from apps.audit.services import Actor
from apps.common import repeats
from apps.nodes.cache import topology_cache_clear
from clio_portal.wsgi import application
from tests.api import situations
from tests.api.conftest import person
from tests.factories import AT

pytestmark = pytest.mark.django_db

BOSS = Actor(None, "boss")
KEPT_S = 0.25


@pytest.fixture(autouse=True)
def _cluster(
    clock: time_machine.Traveller, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PORTAL_LIVE_CACHE_S = KEPT_S
    monkeypatch.setattr(repeats, "_repeated", {})
    cache.clear()
    topology_cache_clear()
    situations.healthy()


@pytest.fixture
def secret(viewer: User) -> str:
    return token_create(user=viewer, name="one")[1]


class Answered:
    """One answer of the WSGI application, as a server would send it."""

    def __init__(self, secret: str, path: str = "/api/topology", **headers: str) -> None:
        self.started: list[Any] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Token {secret}",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
        }
        response = application(environ | headers, self._start)
        self.body = b"".join(response)
        self.is_copy = isinstance(response, list)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = int(status.split()[0])
        self.headers = dict(headers)


def test_a_copy_is_the_same_but_for_its_id(secret: str) -> None:
    made, copy = Answered(secret), Answered(secret)
    assert (made.is_copy, copy.is_copy) == (False, True)
    assert (copy.status, copy.body) == (200, made.body)
    assert len(json.loads(copy.body)["nodes"]) == 4
    ids = {made.headers.pop("X-Request-ID"), copy.headers.pop("X-Request-ID")}
    assert len(ids) == 2
    assert copy.headers == made.headers


def test_a_copy_says_the_id_that_the_caller_gave(secret: str) -> None:
    Answered(secret, HTTP_X_REQUEST_ID="my-request-1")
    named = Answered(secret, HTTP_X_REQUEST_ID="my-request-2")
    wrong = Answered(secret, HTTP_X_REQUEST_ID="<script>")
    assert named.is_copy
    assert named.headers["X-Request-ID"] == "my-request-2"
    assert wrong.is_copy
    assert wrong.headers["X-Request-ID"] not in ("my-request-1", "<script>")


def test_it_holds_as_long_as_the_figures_in_it(secret: str, clock: time_machine.Traveller) -> None:
    Answered(secret)
    clock.shift(timedelta(seconds=KEPT_S - 0.01))
    other = token_create(user=person(Role.OPERATOR), name="other")[1]
    assert not Answered(other).is_copy  # of the same look at the cluster
    assert Answered(other).is_copy
    clock.shift(timedelta(seconds=0.01))
    assert not Answered(secret).is_copy
    assert not Answered(other).is_copy


def test_a_clock_that_is_put_back_does_not_make_it_hold_longer(
    secret: str, clock: time_machine.Traveller
) -> None:
    Answered(secret)
    clock.shift(timedelta(hours=-1))
    assert not Answered(secret).is_copy


def test_what_a_copy_costs_is_no_query(secret: str, django_assert_num_queries: Any) -> None:
    Answered(secret)
    with django_assert_num_queries(0):
        assert Answered(secret).is_copy


@pytest.mark.parametrize(
    "change",
    [
        {"HTTP_ACCEPT_ENCODING": "gzip"},
        {"HTTP_ACCEPT": "text/html"},
        {"HTTP_IF_NONE_MATCH": '"x"'},
        {"HTTP_HOST": "127.0.0.1"},
        {"HTTP_ORIGIN": "https://elsewhere.example"},
        {"HTTP_X_FORWARDED_FOR": "10.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.2"},
        {"QUERY_STRING": "state=down"},
        {"REQUEST_METHOD": "HEAD"},
        {"HTTP_COOKIE": "theme=dark"},
        {"wsgi.url_scheme": "https"},
    ],
)
def test_another_question_gets_an_answer_of_its_own(secret: str, change: dict[str, str]) -> None:
    Answered(secret)
    assert not Answered(secret, **change).is_copy


def test_not_modified_is_given_again_too(secret: str) -> None:
    etag = Answered(secret).headers["ETag"]
    Answered(secret, HTTP_IF_NONE_MATCH=etag)
    copy = Answered(secret, HTTP_IF_NONE_MATCH=etag)
    assert copy.is_copy
    assert (copy.status, copy.body) == (304, b"")


def test_what_is_made_for_each_request_is_not_kept(secret: str) -> None:
    for path in ("/api/system", "/api/node/0/workers", "/api/history/metrics"):
        Answered(secret, path)
        assert not Answered(secret, path).is_copy, path


def test_a_wrong_token_is_refused_each_time(secret: str) -> None:
    Answered(secret)
    for _ in range(2):
        refused = Answered(secret[:-1] + ("a" if secret[-1] != "a" else "b"))
        assert (refused.status, refused.is_copy) == (401, False)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda user, token: token_revoke(token), 401),
        (lambda user, token: account_access_set(user, active=False, actor=BOSS, at=AT), 401),
        (lambda user, token: account_role_set(user, role=None, actor=BOSS, at=AT), 403),
    ],
    ids=["token revoked", "account closed", "role taken"],
)
def test_the_next_request_after_the_end_of_its_right_is_refused(
    viewer: User,
    end: Callable[[User, ApiToken], object],
    status: int,
    django_capture_on_commit_callbacks: Any,
) -> None:
    token, secret = token_create(user=viewer, name="t")
    Answered(secret)
    assert Answered(secret).is_copy
    with django_capture_on_commit_callbacks(execute=True):
        end(viewer, token)
    refused = Answered(secret)
    assert (refused.status, refused.is_copy) == (status, False)


def test_what_was_forgotten_while_it_was_made_does_not_come_back(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = repeats.repeat_allow

    def revoked_meanwhile(*args: Any, **kwargs: Any) -> None:
        keep(*args, **kwargs)
        repeats.answers_forget()

    monkeypatch.setattr("apps.cluster.api.live.repeat_allow", revoked_meanwhile)
    Answered(secret)
    assert not Answered(secret).is_copy


def test_a_token_is_believed_no_longer_than_it_lasts(
    viewer: User, clock: time_machine.Traveller
) -> None:
    _, secret = token_create(user=viewer, name="short", expires_at=AT + timedelta(seconds=0.1))
    Answered(secret)
    assert Answered(secret).is_copy
    clock.shift(timedelta(seconds=0.1))
    refused = Answered(secret)
    assert (refused.status, refused.is_copy) == (401, False)


def test_copies_count_towards_the_limit(secret: str, settings: Settings) -> None:
    settings.PORTAL_RATE_TOKEN = 5
    settings.PORTAL_RATE_USER = 100
    statuses = [Answered(secret).status for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2


def test_copies_for_one_token_count_for_its_user(viewer: User, settings: Settings) -> None:
    settings.PORTAL_RATE_TOKEN = 100
    settings.PORTAL_RATE_USER = 5
    first, second = (token_create(user=viewer, name=name)[1] for name in ("a", "b"))
    assert [Answered(first).is_copy for _ in range(4)] == [False, True, True, True]
    assert [Answered(second).status for _ in range(2)] == [200, 429]


def test_the_count_of_copies_ends_with_its_minute(
    secret: str, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.PORTAL_RATE_TOKEN = 3
    assert [Answered(secret).status for _ in range(4)] == [200, 200, 200, 429]
    clock.shift(timedelta(minutes=1))
    assert [Answered(secret).status == 429 for _ in range(4)] == [False, False, False, True]


def test_that_the_limit_is_reached_costs_as_little_to_say_again(
    secret: str,
    settings: Settings,
    clock: time_machine.Traveller,
    django_assert_num_queries: Any,
) -> None:
    settings.PORTAL_RATE_TOKEN = 1
    minute = AT.replace(second=0, microsecond=0)
    clock.move_to(minute + timedelta(seconds=29))
    assert Answered(secret).status != 429
    first = Answered(secret)
    with django_assert_num_queries(0):
        again = Answered(secret)
    assert (first.status, first.is_copy) == (429, False)
    assert (again.status, again.is_copy, again.body) == (429, True, first.body)
    assert again.headers["Retry-After"] == first.headers["Retry-After"] == "31"
    clock.shift(timedelta(seconds=KEPT_S))
    assert not Answered(secret).is_copy
    clock.move_to(minute + timedelta(seconds=59.5))
    assert [Answered(secret).is_copy for _ in range(2)] == [False, False]
    clock.move_to(minute + timedelta(seconds=60))
    assert Answered(secret).status != 429


@pytest.mark.parametrize("path", ["/api/system", "/api/node/0/workers"])
def test_on_every_route(secret: str, settings: Settings, path: str) -> None:
    settings.PORTAL_RATE_TOKEN = 1
    answers = [Answered(secret, path) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert [answer.is_copy for answer in answers] == [False, False, True]


def test_a_token_that_ends_is_not_told_so_any_more(
    secret: str, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.PORTAL_RATE_TOKEN = 1
    assert [Answered(secret).status for _ in range(3)] == [200, 429, 429]
    with django_capture_on_commit_callbacks(execute=True):
        token_revoke(ApiToken.objects.get(name="one"))
    assert Answered(secret).status == 401


def test_where_many_differ_little_is_kept(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST", 3)
    for number in range(4):
        Answered(secret, HTTP_X_NUMBER=str(number))
    assert not Answered(secret, HTTP_X_NUMBER="0").is_copy
    assert Answered(secret, HTTP_X_NUMBER="3").is_copy


def test_counts_that_nobody_asks_for_any_more_do_not_pile_up(
    secret: str, settings: Settings
) -> None:
    settings.PORTAL_RATE_TOKEN = settings.PORTAL_RATE_USER = 100
    for number in range(repeats.MOST_COUNTS):
        repeats._repeated[f"of a minute that has passed: {number}"] = 1
    Answered(secret)
    assert Answered(secret).is_copy
    assert len(repeats._repeated) == 2  # the token's and the user's


def test_with_debug_each_request_has_its_line(secret: str) -> None:
    log = logging.getLogger("apps.common.middleware")
    level = log.level
    log.setLevel(logging.DEBUG)
    try:
        Answered(secret)
        assert not Answered(secret).is_copy
    finally:
        log.setLevel(level)
