"""deploy/backup.sh: what was saved comes back, on both databases."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.platform.process import ROOT, environment
from tests.services import database_made

SCRIPT = ROOT / "deploy" / "backup.sh"
STATE = """
import django, json
django.setup()
from apps.accounts.models import User
from apps.audit.models import AuditEvent
print(json.dumps({"people": sorted(User.objects.values_list("username", flat=True)),
                  "events": AuditEvent.objects.count()}))
"""


@dataclass
class Site:
    """A portal's database and data directory; commands run with its settings."""

    data: Path
    url: str

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        given = {
            "CLIO_PORTAL_DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": "clio_portal.settings",
        }
        return subprocess.run(
            argv,
            cwd=ROOT,
            env=environment(given, self.data),
            input="a-long-enough-password-1\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def manage(self, *arguments: str) -> str:
        done = self.run(str(ROOT / ".venv/bin/python"), "manage.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def account(self, name: str) -> None:
        self.manage(*("portal_account", "--username", name, "--role", "viewer", "--password-stdin"))

    def state(self) -> dict[str, object]:
        done = self.run(str(ROOT / ".venv/bin/python"), "-c", STATE)
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def backup(self, what: str, folder: Path) -> tuple[int, str]:
        done = self.run(str(SCRIPT), what, str(folder))
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Site:
    data = tmp_path / "data"
    return Site(data, f"sqlite:///{data / 'portal.sqlite3'}")


@pytest.fixture
def postgres_site(tmp_path: Path) -> Iterator[Site]:
    with database_made("backup") as url:
        yield Site(tmp_path / "data", url)


def round_trip(site: Site, folder: Path) -> None:
    site.manage("prepare")
    site.account("before")
    known_hosts = site.data / "known_hosts"
    known_hosts.write_text("[n0]:22 ssh-ed25519 AAAA\n")
    saved = site.state()
    code, said = site.backup("save", folder)
    assert code == 0, said
    assert (folder / "SHA256SUMS").stat().st_mode & 0o077 == 0

    site.account("after")
    known_hosts.unlink()
    assert site.state() != saved
    code, said = site.backup("restore", folder)
    assert code == 0, said

    assert site.state() == saved
    assert known_hosts.exists()
    site.manage("prepare")
    assert "intact" in site.manage("verify_audit")
    # The trail goes on behind the restored rows.
    site.account("later")
    assert "intact" in site.manage("verify_audit")


def test_sqlite_comes_back(sqlite_site: Site, tmp_path: Path) -> None:
    round_trip(sqlite_site, tmp_path / "saved")


@pytest.mark.postgres
def test_postgresql_comes_back(postgres_site: Site, tmp_path: Path) -> None:
    round_trip(postgres_site, tmp_path / "saved")


def test_it_does_not_write_over_an_older_backup(sqlite_site: Site, tmp_path: Path) -> None:
    sqlite_site.manage("prepare")
    folder = tmp_path / "saved"
    assert sqlite_site.backup("save", folder)[0] == 0
    code, said = sqlite_site.backup("save", folder)
    assert code == 1
    assert "not empty" in said


def test_a_damaged_backup_is_refused_before_anything_is_replaced(
    sqlite_site: Site, tmp_path: Path
) -> None:
    sqlite_site.manage("prepare")
    sqlite_site.account("kept")
    folder = tmp_path / "saved"
    assert sqlite_site.backup("save", folder)[0] == 0
    with (folder / "portal.sqlite3").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(64))
    code, said = sqlite_site.backup("restore", folder)
    assert code != 0
    assert "portal.sqlite3" in said
    assert sqlite_site.state()["people"] == ["kept"]
