"""gunicorn in production mode behind a real nginx with TLS, with the examples of deploy/proxy."""

from __future__ import annotations

import http.cookiejar
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.platform.process import ROOT, environment
from tests.platform.single import Browser

NAME = "portal.example.org"
READY_S = 60.0
PASSWORD = "a-long-enough-password-1"
LINK = re.compile(r'(?:href|src)="(/[^"#]*)"')
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(
        shutil.which("nginx") is None, reason="needs nginx (on Debian: apt install nginx-light)"
    ),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate_make(folder: Path) -> None:
    """A key and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(days=2))
    (folder / "cert.pem").write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


class TlsBrowser(Browser):
    """Asks the proxy on loopback by the site's name, and trusts its own certificate."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(f"https://127.0.0.1:{port}{path}")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(self.cookies),
        )


@dataclass
class Site:
    https: int
    http: int
    gunicorn: int
    path: str

    def browser(self) -> TlsBrowser:
        return TlsBrowser(self.https, self.path)


@contextmanager
def running(argv: list[str], env: dict[str, str] | None, port: int) -> Iterator[None]:
    process = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_S
        while True:
            assert process.poll() is None, f"{argv[0]} ended with {process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < until, f"{argv[0]} does not listen"
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def nginx_conf(folder: Path, site: Site) -> Path:
    """The example as it stands, with the ports and files of this test."""
    if site.path:
        location = (ROOT / "deploy/proxy/nginx-sub-path.conf").read_text()
        location = re.sub(r"/clio\b", site.path, location)
        servers = (
            f"server {{ listen 443 ssl; server_name {NAME}; "
            "ssl_certificate /etc/ssl/certs/portal.example.org.pem; "
            f"ssl_certificate_key /etc/ssl/private/portal.example.org.key;\n{location}\n}}"
        )
    else:
        servers = (ROOT / "deploy/proxy/nginx.conf").read_text()
    servers = re.sub(r"^ *listen \[::\].*\n", "", servers, flags=re.MULTILINE)
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{site.https} ssl default_server"),
        ("listen 80", f"listen 127.0.0.1:{site.http}"),
        ("127.0.0.1:8000", f"127.0.0.1:{site.gunicorn}"),
        ("/etc/ssl/certs/portal.example.org.pem", str(folder / "cert.pem")),
        ("/etc/ssl/private/portal.example.org.key", str(folder / "key.pem")),
        ("$host;", f"{NAME};"),  # the test asks by address
    ):
        servers = servers.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr warn;\nevents {{}}\n"
        f"http {{ access_log off;\n{temporary}{servers}\n}}\n"
    )
    return conf


@pytest.fixture(scope="module", params=["", "/site/clio"], ids=["top", "sub-path"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    static_files: None,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxy")
    site = Site(free_port(), free_port(), free_port(), request.param)
    certificate_make(folder)
    config = folder / "clio.yaml"
    config.write_text("networking:\n  port: 1\n")
    given = {
        "CLIO_PORTAL_MODE": "production",
        "CLIO_PORTAL_SECRET_KEY": "x9" * 30,
        "CLIO_PORTAL_BIND": f"127.0.0.1:{site.gunicorn}",
        "CLIO_PORTAL_ALLOWED_HOSTS": NAME,
        "CLIO_PORTAL_TRUSTED_PROXIES": "1",
        "CLIO_PORTAL_SUB_PATH": site.path,
        "CLIO_SERVER_CONF": str(config),
        "WEB_CONCURRENCY": "1",
    }
    env = environment(given, folder / "data")
    programs = Path(sys.executable).parent
    for arguments, text in (
        (("prepare", "--verbosity", "0"), ""),
        (
            ("portal_account", "--username", "eve", "--role", "operator", "--password-stdin"),
            f"{PASSWORD}\n",
        ),
    ):
        argv = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            argv, cwd=ROOT, env=env, input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    gunicorn = [str(programs / "gunicorn"), "-c", "deploy/gunicorn.conf.py", "clio_portal.wsgi"]
    nginx = ["nginx", "-c", str(nginx_conf(folder, site))]
    with running(gunicorn, env, site.gunicorn), running(nginx, None, site.https):
        yield site


@pytest.fixture
def signed_in(site: Site) -> TlsBrowser:
    browser = site.browser()
    page = browser.get("/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None, page.text
    fields = {"username": "eve", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    # As a browser sends it: nginx says the site's own name to the portal, not the address.
    answer = browser.post("/accounts/login/", fields, Referer=f"https://{NAME}/")
    assert answer.status == 200, answer.text
    return browser


def test_people_sign_in_over_tls_with_cookies_for_https_only(
    site: Site, signed_in: TlsBrowser
) -> None:
    page = signed_in.get("/")
    assert page.status == 200
    assert "Sign out" in page.text
    assert page.headers["Strict-Transport-Security"]
    session = next(one for one in signed_in.cookies if "session" in one.name)
    assert session.name.startswith("__Host-")
    assert session.secure


def test_static_files_have_names_that_may_be_kept_for_ever(
    site: Site, signed_in: TlsBrowser
) -> None:
    links = LINK.findall(signed_in.get("/").text)
    static = [link for link in links if link.startswith(f"{site.path}/static/")]
    assert static
    top = TlsBrowser(site.https, "")
    for link in static:
        answer = top.get(link)
        assert answer.status == 200, link
        assert "immutable" in answer.headers["Cache-Control"], link


def test_the_api_and_every_link_stay_where_the_site_is(site: Site, signed_in: TlsBrowser) -> None:
    assert signed_in.get("/api/jobs").status == 200
    assert signed_in.get("/api/nothing").json()["code"] == "not_found"
    links = LINK.findall(signed_in.get("/").text)
    assert [link for link in links if not link.startswith(f"{site.path}/")] == []


def test_past_the_proxy_there_is_only_a_way_to_https(site: Site) -> None:
    """And no claim of a client about its address or name is believed."""
    direct = urllib.request.Request(
        f"http://127.0.0.1:{site.gunicorn}/accounts/login/", headers={"Host": NAME}
    )

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: object) -> None:
            return None

    opener = urllib.request.build_opener(NoRedirect())
    with pytest.raises(urllib.error.HTTPError) as answer:
        opener.open(direct, timeout=30)
    assert answer.value.code == 301
    assert answer.value.headers["Location"].startswith(f"https://{NAME}{site.path}/accounts/")
    health = Browser(f"http://127.0.0.1:{site.gunicorn}").get("/healthz")
    assert health.json() == {"status": "ok"}
