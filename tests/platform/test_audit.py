"""The audit of known vulnerabilities: it fails on one, and does not call silence a success."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
KNOWN = {"id": "GHSA-test-0001", "aliases": [], "summary": "An old one.", "affected": []}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Service(HTTPServer):
    """Speaks as the OSV service does. `knows`: names of vulnerable packages."""

    knows: frozenset[str] = frozenset()


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["package"]["name"] in self.server.knows
        body = json.dumps({"vulns": [KNOWN]} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def arguments(service: Service) -> list[str]:
    url = f"http://127.0.0.1:{service.server_port}/v1/query"
    return ["--vulnerability-service=osv", f"--osv-url={url}"]


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("some-package==1.0\n")
    return path


def test_a_vulnerable_package_fails(
    script: ModuleType,
    service: Service,
    requirements: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.knows = frozenset({"jinja2", "some-package"})
    assert script.main(arguments(service), requirements) == 1
    assert "some-package 1.0: GHSA-test-0001" in capsys.readouterr().out
    service.knows = frozenset({"jinja2"})
    assert script.main(arguments(service), requirements) == 0
    assert "1 packages looked up, 0 findings" in capsys.readouterr().out


def test_a_service_that_knows_nothing_has_not_found_nothing(
    script: ModuleType,
    service: Service,
    requirements: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script.main(arguments(service), requirements) == 0
    assert "NOT CHECKED" in capsys.readouterr().out
    assert script.main([*arguments(service), "--required"], requirements) == 2


def test_what_was_not_looked_up_is_a_finding(script: ModuleType) -> None:
    assert script.findings([{"name": "a", "skip_reason": "not on the index"}]) == [
        "a: not looked up: not on the index"
    ]


def test_an_audit_that_breaks_off_is_no_success(
    script: ModuleType, requirements: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--required", "--no-such-option"], requirements) == 2
    assert "NOT CHECKED. pip-audit ended with exit code 2" in capsys.readouterr().out
