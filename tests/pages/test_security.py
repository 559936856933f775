"""Who may see a page, and that no text from outside becomes markup."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.nodes.models import LatestFigures, Node, StateChange
from tests.factories import cluster_of_four
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db

PATHS = (
    "/",
    "/?q=%3Cscript%3E",
    "/node/0",
    "/node/2",
    "/node/77",
    "/pools",
    "/config",
    "/nothing-here",
    "/fragments/topology",
    "/fragments/connection",
    "/fragments/node/0",
    "/fragments/node/0/trend",
    "/fragments/node/0/block-devices",
    "/fragments/node/0/containers",
    "/fragments/pools",
    "/fragments/config",
)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e" + "N" * 10_000


def spoil() -> None:
    """Puts hostile text wherever a name, reason or message is kept."""
    Cluster.objects.update(connected=False, connection_reason=EVIL)
    Node.objects.update(hostname=EVIL[:255], ip_address=EVIL[:64], state_reason=EVIL)
    Node.objects.update(dialback_address=EVIL[:255], wire_generation="<b>")
    Node.objects.filter(node_id=0).update(host=EVIL[:255])
    node = Node.objects.get(node_id=0)
    StateChange.objects.create(
        node=node, at=timezone.now(), from_state="alive", to_state="down", reason=EVIL
    )
    for row in LatestFigures.objects.exclude(kind="system"):
        assert row.figures is not None
        for item in row.figures:
            item |= {name: EVIL for name in ("pool_name", "chimod_name") if name in item}
            item |= {name: EVIL for name in ("device_health",) if name in item}
            if "failure_prediction" in item:
                item["failure_prediction"] = '{"<script>": "<b onclick=x>"}'
            for method in item.get("methods", ()):
                method["name"] = EVIL
        row.error_message = EVIL
        row.save()
    ConfigVersion.objects.update(
        config={EVIL: {EVIL: [EVIL, {EVIL: None}]}, "compose": [{"pool_name": EVIL}]},
        path=EVIL[:4000],
        legacy=[EVIL],
    )
    ConfigStatus.objects.update(
        path=EVIL[:4000], error={"message": EVIL, "line": 1, "column": 1, "remedy": EVIL}
    )


@pytest.mark.parametrize("path", PATHS)
def test_hostile_text_stays_text(viewer_client: Client, path: str) -> None:
    cluster_of_four(at=timezone.now())
    spoil()
    html = viewer_client.get(path).content.decode()
    markup = Markup(html)
    assert markup.forbidden == []
    assert not [tag for tag, _ in markup.elements if tag == "img"]
    assert len(html) < 200_000, "names are cut"


@pytest.mark.parametrize("path", [*PATHS, "/accounts/login/"])
def test_nothing_inline(viewer_client: Client, path: str) -> None:
    """The Content-Security-Policy would refuse it, and the page would break silently."""
    cluster_of_four(at=timezone.now())
    if path == "/accounts/login/":
        viewer_client = Client()
    assert Markup(viewer_client.get(path).content.decode()).forbidden == []


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/nothing-here"])
def test_signed_out_and_without_a_role(path: str, roleless: User) -> None:
    cluster_of_four(at=timezone.now())
    client = Client()
    response = client.get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/accounts/login/?next=")
    assert client.get(path, headers={"HX-Request": "true"}).status_code == 401
    client.force_login(roleless)
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/", "/node/0", "/fragments/topology", "/pools", "/config"])
def test_pages_only_read(viewer_client: Client, path: str) -> None:
    cluster_of_four(at=timezone.now())
    assert viewer_client.post(path).status_code == 405


def test_wrong_password_and_sign_in(viewer: User) -> None:
    client = Client()
    wrong = client.post("/accounts/login/", {"username": viewer.username, "password": "no"})
    markup = Markup(wrong.content.decode())
    assert wrong.status_code == 200
    assert "is not right" in markup.text
    right = client.post(
        "/accounts/login/",
        {"username": viewer.username, "password": "correct-horse-battery", "next": "/pools"},
    )
    assert right.headers["Location"] == "/pools"


def test_the_theme_of_the_account(viewer_client: Client, viewer: User) -> None:
    cluster_of_four(at=timezone.now())
    assert ' data-theme="system"' in viewer_client.get("/").content.decode()
    User.objects.filter(pk=viewer.pk).update(theme="dark", time_zone="Europe/Berlin")
    html = viewer_client.get("/").content.decode()
    assert ' data-theme="dark"' in html
    assert 'data-time-zone="Europe/Berlin"' in html
