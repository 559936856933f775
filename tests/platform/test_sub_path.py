"""The portal below a path of another site: pages, static files, API, both ways a proxy may ask."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.platform.process import ROOT
from tests.platform.single import Browser, SinglePortal
from tests.platform.test_single import first_sign_in

pytestmark = pytest.mark.xdist_group("single")  # its portal is started once

LINK = re.compile(r'(?:href|src|action|hx-get|hx-post|data-src|data-url|data-root)="(/[^"]*)"')


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinglePortal]:
    given = {"CLIO_PORTAL_SUB_PATH": "/site/clio"}
    with SinglePortal(tmp_path_factory.mktemp("portal"), given=given) as portal:
        yield portal


@pytest.fixture(scope="module")
def browser(portal: SinglePortal) -> Browser:
    """Signed in below the sub-path, as by a proxy that leaves it on."""
    browser = Browser(f"{portal.url.rstrip('/')}/site/clio")
    answer = browser.sign_in(*first_sign_in(portal))
    assert answer.status == 200
    return browser


@pytest.mark.parametrize(
    "path", ["/", "/pools", "/jobs", "/batches", "/trends", "/audit", "/api/docs", "/no-such-page"]
)
def test_every_address_on_a_page_stays_below_the_sub_path(path: str, browser: Browser) -> None:
    page = browser.get(path)
    assert page.status == (404 if path == "/no-such-page" else 200)
    links = LINK.findall(page.text)
    assert links
    assert [link for link in links if not link.startswith("/site/clio/")] == []


def test_what_a_page_loads_is_there(browser: Browser, portal: SinglePortal) -> None:
    site = Browser(portal.url)
    loaded = {
        link.split("#")[0]
        for link in LINK.findall(browser.get("/").text)
        if link.startswith("/site/clio/static/")
    }
    assert loaded
    assert {link: site.get(link).status for link in loaded} == dict.fromkeys(loaded, 200)


def test_a_proxy_may_take_the_sub_path_off(portal: SinglePortal) -> None:
    stripped = Browser(portal.url)
    assert stripped.get("/healthz").json() == {"status": "ok"}
    page = stripped.get("/accounts/login/")
    assert 'action="/site/clio/' in page.text or "/site/clio/static/" in page.text
    style = re.search(r'href="/site/clio(/static/[^"]+\.css)"', page.text)
    assert style is not None
    assert stripped.get(style[1]).status == 200


def test_signing_in_leads_to_a_place_below_it(portal: SinglePortal) -> None:
    stranger = Browser(f"{portal.url.rstrip('/')}/site/clio")
    page = stranger.get("/jobs")
    assert page.url.startswith(f"{portal.url}site/clio/accounts/login/?next=/site/clio/jobs")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    name, password = first_sign_in(portal)
    fields = {"username": name, "password": password, "csrfmiddlewaretoken": token[1]}
    assert stranger.post("/accounts/login/", fields).url == f"{portal.url}site/clio/"


def test_the_api_answers_below_it_and_speaks_of_it(browser: Browser) -> None:
    missing = browser.get("/api/no-such-route")
    assert missing.status == 404
    assert missing.json()["code"] == "not_found"
    assert browser.get("/api/config").status == 200
    schema = browser.get("/api/schema")
    assert schema.status == 200


def test_scripts_make_addresses_by_the_one_function_that_knows_the_sub_path() -> None:
    """`address` and `ask` (which calls it); a constant is what they are given."""
    known = re.compile(r"\b(?:address|ask)\(|^const [A-Z]+ = ")
    for file in (ROOT / "static/js").rglob("*.js"):
        for line in file.read_text().splitlines():
            if re.search(r"[\"'`]/[a-z]{3,}[/\"'`$]", line):
                assert known.search(line), f"{file.name}: {line.strip()}"


def test_another_site_s_path_that_only_begins_alike_is_not_taken_for_it(
    portal: SinglePortal,
) -> None:
    assert Browser(portal.url).get("/site/clio-other/healthz").status == 404
