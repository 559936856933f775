"""Signing in by an OpenID Connect provider: a real one, and a portal of its own process."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from clio_portal.settings import sso
from clio_portal.settings.env import PREFIX, Reader
from tests.platform.single import SinglePortal

pytest.importorskip("allauth")
httpx = pytest.importorskip("httpx")
provider_library = pytest.importorskip("oidc_provider_mock")

# One portal and one provider for all of these tests, on one worker.
pytestmark = pytest.mark.xdist_group("oidc")
START = "/accounts/oidc/sso/login/"
ANSWER_S = 60


@dataclass
class Site:
    portal: SinglePortal
    provider_url: str

    @property
    def url(self) -> str:
        return self.portal.url.rstrip("/")

    def claims(self, subject: str, **claims: Any) -> None:
        """What the provider says of somebody from now on."""
        answer = httpx.put(f"{self.provider_url}/users/{subject}", json=claims, timeout=ANSWER_S)
        assert answer.status_code == 204

    def browser(self) -> Any:
        return httpx.Client(follow_redirects=True, timeout=ANSWER_S)

    def sign_in(self, subject: str, *, browser: Any = None, query: str = "") -> Any:
        """Through the provider's own page, and back. → the page that one lands on."""
        client = browser or self.browser()
        asked = client.get(f"{self.url}{START}{query}")
        assert asked.url.path == "/oauth2/authorize", asked.text
        return client.post(str(asked.url), data={"sub": subject})

    def account(self, *arguments: str) -> Any:
        return self.portal.manage("portal_account", *arguments, "--json")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with provider_library.run_server_in_thread() as provider:
        url = f"http://localhost:{provider.server_port}"
        given = {
            "CLIO_PORTAL_OIDC_URL": url,
            "CLIO_PORTAL_OIDC_CLIENT_ID": "portal",
            "CLIO_PORTAL_OIDC_CLIENT_SECRET": "of the test only",
            "CLIO_PORTAL_OIDC_NAME": "Example University",
            "CLIO_PORTAL_SSO_ROLES": "hpc-admins=administrator; hpc-ops=operator",
        }
        with SinglePortal(tmp_path_factory.mktemp("oidc"), given=given) as portal:
            yield Site(portal, url)


def text_of(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


def test_the_sign_in_page_offers_it(site: Site) -> None:
    page = site.browser().get(f"{site.url}/accounts/login/?next=/pools")
    assert f'href="{START}?next=%2Fpools"' in page.text
    assert "Sign in with Example University" in page.text


def test_a_group_gives_the_role_and_the_provider_the_names(site: Site) -> None:
    site.claims(
        "sub-ada",
        preferred_username="Ada",
        given_name="Ada",
        family_name="Lovelace",
        email="ada@example.org",
        groups=["staff", "hpc-ops"],
    )
    client = site.browser()
    landed = site.sign_in("sub-ada", browser=client, query="?next=/accounts/me")
    assert landed.url.path == "/accounts/me"
    assert "ada , operator" in text_of(landed)
    assert 'value="Lovelace"' not in landed.text  # names are the provider's to change
    assert "single sign-on" in landed.text
    assert client.get(f"{site.url}/people").status_code == 403


def test_the_role_follows_the_groups_and_ends_with_them(site: Site) -> None:
    client = site.browser()
    site.claims("sub-bo", preferred_username="bo", groups=["hpc-admins"])
    assert "bo , administrator" in text_of(site.sign_in("sub-bo", query="?next=/accounts/me"))
    site.claims("sub-bo", preferred_username="bo", groups=["hpc-ops"])
    landed = site.sign_in("sub-bo", browser=client, query="?next=/accounts/me")
    assert "bo , operator" in text_of(landed)
    site.claims("sub-bo", preferred_username="bo", groups=[])
    assert "in no group that may use" in text_of(site.sign_in("sub-bo"))
    assert client.get(f"{site.url}/api/topology").status_code == 403


def test_somebody_in_no_such_group_gets_no_account(site: Site) -> None:
    site.claims("sub-eve", preferred_username="eve", groups=["students"])
    landed = site.sign_in("sub-eve")
    assert landed.url.path == "/accounts/login/"
    assert "in no group that may use" in text_of(landed)
    assert site.account("--username", "eve", "--role", "viewer", "--service")["created"] is True


def test_a_person_whom_the_portal_keeps_out_stays_out(site: Site) -> None:
    site.claims("sub-cy", preferred_username="cy", groups=["hpc-ops"])
    client = site.browser()
    assert site.sign_in("sub-cy", browser=client, query="?next=/accounts/me").status_code == 200
    script = (
        "from apps.accounts.models import User; import json;"
        "User.objects.filter(username='cy').update(is_active=False); print(json.dumps(1))"
    )
    site.portal.manage("shell", "--no-imports", "-c", script)
    assert client.get(f"{site.url}/accounts/me").url.path == "/accounts/login/"
    assert "deactivated" in text_of(site.sign_in("sub-cy"))


def test_the_provider_does_not_open_the_portal_s_own_accounts(site: Site) -> None:
    site.account("--username", "local-root", "--role", "administrator")
    site.claims("sub-mallory", preferred_username="Local-Root", groups=["hpc-ops"])
    landed = site.sign_in("sub-mallory")
    assert landed.url.path == "/accounts/login/"
    assert "Another account" in text_of(landed)


def test_another_subject_does_not_get_the_account_of_a_name(site: Site) -> None:
    site.claims("sub-first", preferred_username="same", groups=["hpc-ops"])
    site.sign_in("sub-first")
    site.claims("sub-second", preferred_username="same", groups=["hpc-admins"])
    assert "Another account" in text_of(site.sign_in("sub-second"))


def test_it_never_sends_anybody_to_another_site(site: Site) -> None:
    site.claims("sub-dee", preferred_username="dee", groups=["hpc-ops"])
    landed = site.sign_in("sub-dee", query="?next=https://evil.example/")
    assert str(landed.url).startswith(site.url)


def test_an_answer_that_nobody_asked_for_opens_nothing(site: Site) -> None:
    client = site.browser()
    landed = client.get(f"{site.url}{START}callback/?code=stolen&state=made-up")
    assert landed.url.path == "/accounts/login/"
    assert "did not work" in text_of(landed)


def test_an_answer_for_one_browser_does_not_sign_another_in(site: Site) -> None:
    site.claims("sub-fay", preferred_username="fay", groups=["hpc-ops"])
    asked = site.browser().get(f"{site.url}{START}")
    there = httpx.post(str(asked.url), data={"sub": "sub-fay"}, timeout=ANSWER_S)
    back = there.headers["Location"]
    assert site.browser().get(back).url.path == "/accounts/login/"


def test_the_session_gets_a_new_key(site: Site) -> None:
    site.claims("sub-gil", preferred_username="gil", groups=["hpc-ops"])
    client = site.browser()
    client.get(f"{site.url}{START}")
    planted = client.cookies["clio_portal_session"]
    site.sign_in("sub-gil", browser=client)
    assert client.cookies["clio_portal_session"] != planted


def test_a_fresh_password_is_asked_of_the_provider(site: Site) -> None:
    site.claims("sub-hal", preferred_username="hal", groups=["hpc-ops"])
    client = site.browser()
    site.sign_in("sub-hal", browser=client)
    page = client.get(f"{site.url}/accounts/confirm?next=/accounts/me/tokens")
    again = re.search(r'href="([^"]+)">Sign in again with Example University', page.text)
    assert again is not None
    asked = client.get(site.url + again[1].replace("&amp;", "&"))
    assert asked.url.path == "/oauth2/authorize"
    assert asked.url.params["prompt"] == "login"
    assert asked.url.params["max_age"] == "0"
    landed = client.post(str(asked.url), data={"sub": "sub-hal"})
    assert landed.url.path == "/accounts/me/tokens"


@pytest.mark.parametrize(("ago_s", "opens"), [(10, True), (3600, False)])
def test_a_session_that_lets_one_through_there_is_no_fresh_password(
    site: Site, ago_s: int, opens: bool
) -> None:
    subject = f"sub-jo-{ago_s}"
    at = int(time.time()) - ago_s
    site.claims(subject, preferred_username=subject, groups=["hpc-ops"], auth_time=at)
    client = site.browser()
    landed = site.sign_in(subject, browser=client, query="?next=/accounts/me/tokens")
    assert landed.url.path == ("/accounts/me/tokens" if opens else "/accounts/confirm")
    assert client.get(f"{site.url}/accounts/me").status_code == 200


def test_a_dangerous_order_comes_back_from_the_provider_with_what_was_typed(site: Site) -> None:
    site.claims("sub-ida", preferred_username="ida", groups=["hpc-ops"])
    client = site.browser()
    site.sign_in("sub-ida", browser=client)
    path = f"{site.url}/node/0/actions/shutdown"
    form = node_form(client, path)
    assert "on the machine of the portal itself" in form
    age(site, client)
    given = {name: value_of(form, name) for name in ("csrfmiddlewaretoken", "key")} | {
        "reason": "a fan is loud",
        "confirm": "yes",
    }
    page = client.post(path, data=given, headers={"Referer": path})
    assert page.url.path == "/accounts/confirm"
    again = re.search(r'href="([^"]+)">Sign in again with Example University', page.text)
    assert again is not None
    asked = client.get(site.url + again[1].replace("&amp;", "&"))
    back = client.post(str(asked.url), data={"sub": "sub-ida"})
    assert back.url.path == "/node/0/actions/shutdown"
    assert "a fan is loud" in back.text
    assert "it is still you" in text_of(back)
    assert value_of(back.text, "key") == given["key"]


AGED = """
import json
from importlib import import_module
from django.conf import settings
store = import_module(settings.SESSION_ENGINE).SessionStore
aged = store()
aged.update(store({key!r}).load() | {{"portal_fresh_at": 0}})
aged.create()
print(json.dumps(aged.session_key))
"""


def age(site: Site, client: Any) -> None:
    """From now on with a session like its own, but for a sign-in that was long ago."""
    key = client.cookies["clio_portal_session"]
    aged = site.portal.manage("shell", "--no-imports", "-c", AGED.format(key=key))
    for cookie in client.cookies.jar:
        if cookie.name == "clio_portal_session":
            cookie.value = aged


def node_form(client: Any, path: str) -> str:
    """The form of an action, as soon as the portal has found its one node."""
    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until:
        page = client.get(path)
        if page.status_code == 200:
            return str(page.text)
        time.sleep(0.2)
    raise AssertionError(f"no form in time: {page.status_code}")


def value_of(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, name
    return found[1]


def test_giving_up_leads_back_to_the_sign_in_page(site: Site) -> None:
    client = site.browser()
    asked = client.get(f"{site.url}{START}")
    landed = client.post(str(asked.url), data={"action": "deny"})
    assert landed.url.path == "/accounts/login/"
    assert "given up" in text_of(landed)


def test_while_the_provider_is_away_the_page_says_so(tmp_path: Path) -> None:
    given = {
        "CLIO_PORTAL_OIDC_URL": "http://localhost:1",
        "CLIO_PORTAL_OIDC_CLIENT_ID": "portal",
        "CLIO_PORTAL_OIDC_CLIENT_SECRET": "x",
        "CLIO_PORTAL_SSO_DEFAULT_ROLE": "viewer",
    }
    with SinglePortal(tmp_path, given=given) as portal:
        client = httpx.Client(follow_redirects=True, timeout=ANSWER_S)
        landed = client.get(f"{portal.url.rstrip('/')}{START}")
        assert landed.url.path == "/accounts/login/"
        assert "does not answer" in text_of(landed)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"OIDC_URL": "ftp://x"}, "OIDC_URL"),
        ({"OIDC_URL": "http://far.example"}, "https"),
        ({"OIDC_URL": "https://x"}, "OIDC_CLIENT_ID"),
        (
            {
                "OIDC_URL": "https://x",
                "OIDC_CLIENT_ID": "a",
                "OIDC_CLIENT_SECRET": "b",
                "OIDC_ID": "a/b",
            },
            "OIDC_ID",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(given: dict[str, str], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        sso.oidc(Reader({PREFIX + name: value for name, value in given.items()}))
