"""ETag, 304, gzip and a request id on every answer; pages of other origins."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.roles import Role
from apps.accounts.services import token_create
from apps.control.models import ControlJob
from tests.accounts.people import person_make
from tests.control.kit import cluster_with_nodes, launch
from tests.platform.process import settings_of

pytestmark = pytest.mark.django_db
ORIGIN = "https://dashboards.example.org"


@pytest.fixture
def script() -> Client:
    _, secret = token_create(user=person_make(Role.VIEWER), name="t")
    return Client(headers={"authorization": f"Token {secret}"})


@pytest.fixture
def jobs() -> None:
    cluster_with_nodes(4)
    for node_id in range(4):
        launch(node_id)


ADDRESSES = ["/api/jobs", "/api/jobs?status=active", "/api/history/metrics", "/api/schema"]


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_unchanged_answer_is_304(script: Client, address: str) -> None:
    first = script.get(address)
    assert first.status_code == 200
    again = script.get(address, headers={"if-none-match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["X-Request-ID"]
    other = script.get(address, headers={"if-none-match": '"something else"'})
    assert other.status_code == 200


@pytest.mark.usefixtures("jobs")
def test_a_change_is_a_new_etag(script: Client) -> None:
    before = script.get("/api/jobs").headers["ETag"]
    ControlJob.objects.filter(node_number=2).update(status="canceled")
    assert script.get("/api/jobs").headers["ETag"] != before


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_larger_answer_is_zipped_for_who_can_read_it(script: Client, address: str) -> None:
    plain = script.get(address)
    zipped = script.get(address, headers={"accept-encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content
    assert "Accept-Encoding" in zipped.headers["Vary"]
    never = script.get(address, headers={"accept-encoding": "gzip;q=0"})
    assert "Content-Encoding" not in never.headers


def test_errors_are_not_kept(script: Client) -> None:
    answer = script.get("/api/jobs/12")
    assert answer.status_code == 404
    assert "ETag" not in answer.headers


def test_pages_of_other_origins_may_not_read_unless_a_site_says_so(
    script: Client, tmp_path: Path
) -> None:
    answer = script.get("/api/jobs", headers={"origin": ORIGIN})
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    found = settings_of({}, tmp_path, "MIDDLEWARE", "CORS_ALLOWED_ORIGINS")
    assert found["CORS_ALLOWED_ORIGINS"] == []
    assert not [name for name in found["MIDDLEWARE"] if name.startswith("corsheaders")]
    given = {"CLIO_PORTAL_CORS_ORIGINS": ORIGIN}
    found = settings_of(given, tmp_path, "MIDDLEWARE", "CORS_ALLOWED_ORIGINS")
    assert found["CORS_ALLOWED_ORIGINS"] == [ORIGIN]
    assert "corsheaders.middleware.CorsMiddleware" in found["MIDDLEWARE"]


@pytest.fixture
def open_to(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.MIDDLEWARE = [
        "apps.common.middleware.RequestMiddleware",
        "corsheaders.middleware.CorsMiddleware",
        *settings.MIDDLEWARE[1:],
    ]


@pytest.mark.usefixtures("open_to")
def test_an_origin_of_the_list_may_read_with_a_token_and_change_nothing(script: Client) -> None:
    answer = script.get("/api/jobs", headers={"origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in answer.headers
    other = script.get("/api/jobs", headers={"origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    asked = Client().options(
        "/api/jobs/1/cancel",
        headers={
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        },
    )
    assert "POST" not in asked.headers["Access-Control-Allow-Methods"]
    page = Client().get("/accounts/login/", headers={"origin": ORIGIN})
    assert "Access-Control-Allow-Origin" not in page.headers


def test_a_browser_gets_a_page_of_the_portal_without_anything_inline(
    script: Client, jobs: None
) -> None:
    answer = script.get("/api/jobs", headers={"accept": "text/html"})
    page = answer.content.decode()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
    assert 'href="/api/jobs/' in page
    assert "bootstrap" not in page


def test_the_page_escapes_what_is_in_the_answer(script: Client) -> None:
    cluster_with_nodes(1)
    launch(0, reason='<img src=x onerror=alert(1)>"</pre><script>alert(2)</script>')
    page = script.get("/api/jobs", headers={"accept": "text/html"}).content.decode()
    assert "<img" not in page
    assert "<script>alert" not in page
    body = json.loads(script.get("/api/jobs").content)
    assert "<img src=x" in body["jobs"][0]["reason"]
