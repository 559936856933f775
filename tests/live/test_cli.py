"""The command-line client against a live portal, as people and scripts call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clio_portal_cli.errors import Exit
from tests.live.portal import LivePortal
from tests.platform.process import ROOT

ENDS_WITHIN_S = 120


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def run(home: Path) -> Run:
    """Calls the client in a home of its own, without any credentials but those given."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> Done:
        kept = {name: value for name, value in os.environ.items() if "CLIO" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "clio_portal_cli", *arguments],
            cwd=ROOT,
            env=kept | {"HOME": str(home), "XDG_CONFIG_HOME": "", "COLUMNS": "200"} | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def ask(run: Run, portal: LivePortal) -> Run:
    """The same, with an operator's token in the environment."""

    def ask(*arguments: str, who: str = "operator", **environment: str) -> Done:
        given = {"CLIO_PORTAL_URL": portal.url, "CLIO_PORTAL_TOKEN": portal.tokens[who]}
        return run(*arguments, **given | environment)

    return ask


@pytest.fixture
def healed(portal: LivePortal) -> Iterator[LivePortal]:
    yield portal
    portal.heal()


def test_login_keeps_the_token_for_its_owner_only(run: Run, portal: LivePortal, home: Path) -> None:
    token = portal.tokens["viewer"]
    done = run("login", portal.url, "--token-stdin", stdin=f"{token}\n")
    assert done.code == 0, done.err
    kept = home / ".config" / "clio-portal" / "login.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert token not in done.out + done.err
    assert run("nodes").code == 0
    kept.chmod(0o640)
    refused = run("nodes")
    assert (refused.code, "chmod 600" in refused.err) == (4, True)
    assert run("logout").code == 0
    assert not kept.exists()
    assert (run("nodes").code, "clio-portal login" in run("nodes").err) == (4, True)


def test_a_bad_token_is_not_kept(run: Run, portal: LivePortal, home: Path) -> None:
    done = run("login", portal.url, "--token-stdin", stdin="0" * 64)
    assert (done.code, "not valid" in done.err) == (4, True)
    assert not (home / ".config" / "clio-portal" / "login.json").exists()


def test_the_kept_token_goes_to_its_own_portal_only(run: Run, portal: LivePortal) -> None:
    run("login", portal.url, "--token-stdin", stdin=portal.tokens["viewer"])
    done = run("nodes", "--url", "http://127.0.0.1:1")
    assert (done.code, "no token for http://127.0.0.1:1" in done.err) == (4, True)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_token_file_that_others_can_read_is_refused(
    run: Run, portal: LivePortal, tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "token"
    file.write_text(portal.tokens["viewer"] + "\n")
    file.chmod(0o600)
    assert run("--url", portal.url, "--token-file", str(file), "nodes").code == 0
    assert run("nodes", CLIO_PORTAL_URL=portal.url, CLIO_PORTAL_TOKEN_FILE=str(file)).code == 0
    file.chmod(mode)
    done = run("--url", portal.url, "nodes", "--token-file", str(file))
    assert (done.code, f"chmod 600 {file}" in done.err) == (4, True)


def test_nodes(ask: Run) -> None:
    done = ask("nodes")
    assert done.code == 0
    assert done.out.startswith("ID  ADDRESS")
    assert "4 nodes: 4 alive" in done.out
    assert "SIMULATED" in done.out
    body = ask("nodes", "--json").json()
    assert [node["node_id"] for node in body["nodes"]] == [0, 1, 2, 3]


def test_nodes_of_a_filter(ask: Run) -> None:
    assert [node["node_id"] for node in ask("nodes", "1-2", "--json").json()["nodes"]] == [1, 2]
    none = ask("nodes", "--state", "down")
    assert (none.code, "No node matches" in none.out) == (0, True)
    wrong = ask("nodes", "--state", "asleep")
    assert (wrong.code, "asleep" in wrong.err) == (2, True)


def test_node(ask: Run) -> None:
    done = ask("node", "2")
    assert done.code == 0
    assert "WORKER" in done.out
    assert "Containers: " in done.out
    body = ask("--json", "node", "2").json()
    assert body.keys() == {"node", "workers", "bdev_stats", "container_stats"}
    missing = ask("node", "77")
    assert (missing.code, "clio-portal nodes" in missing.err) == (5, True)


def test_workers_and_pools(ask: Run) -> None:
    assert "workers; queued" in ask("workers").out
    one = ask("workers", "--node", "1", "--json").json()
    assert {worker["node_id"] for worker in one["workers"]} == {1}
    assert ask("workers", "--node", "77").code == 5
    assert "CHIMOD" in ask("pools").out
    assert ask("pools", "--json").json()["nodes_known"] == 4


def test_history(ask: Run) -> None:
    catalogue = ask("history")
    assert "system.cpu_usage_pct" in catalogue.out
    done = ask(
        "history", "system.cpu_usage_pct", "--nodes", "0-1", "--from", "-5m", "--points", "5"
    )
    assert done.code == 0, done.err
    assert "HIGHS OVER TIME" in done.out
    assert len(done.out.splitlines()) == 4
    table = ask("history", "system.cpu_usage_pct", "--nodes", "0", "--from", "-2m", "--csv")
    assert table.out.splitlines()[0].count(",") >= 4
    wrong = ask("history", "system.nothing")
    assert (wrong.code, "system.nothing" in wrong.err) == (2, True)
    assert ask("history", "system.cpu_usage_pct", "--from", "later").code == 2


def test_shutdown_and_start(ask: Run, healed: LivePortal) -> None:
    done = ask("shutdown", "3", "--reason", "a test")
    assert done.code == 0, done.out + done.err
    assert "succeeded" in done.out
    assert "stop of node 3" in done.err
    number = int(done.out.split(":")[0].removeprefix("Job "))
    listed = ask("jobs", "--node", "3", "--json").json()
    assert number in [job["job"] for job in listed["jobs"]]
    one = ask("jobs", str(number), "--json").json()
    assert (one["status"], one["reason"]) == ("succeeded", "a test")
    assert [line["text"] for line in one["output"]] == ["stop of node 3"]
    quiet = ask("start", "3", "--json", "--quiet")
    assert (quiet.code, quiet.json()["status"], quiet.err) == (0, "succeeded", "")


def test_restart_without_waiting_and_following_it(ask: Run, healed: LivePortal) -> None:
    begun = ask("restart", "2", "--wait", "0", "--json")
    assert begun.code == 8
    number = begun.json()["job"]
    followed = ask("jobs", str(number), "--follow")
    assert followed.code == 0, followed.out + followed.err
    late = ask("jobs", str(number), "--cancel")
    assert (late.code, late.out) == (6, "")


def test_a_dry_run_does_nothing(ask: Run) -> None:
    before = ask("jobs", "--json").json()["count"]
    done = ask("restart", "1", "--dry-run")
    assert done.code == 0
    assert "Nothing was done" in done.out
    assert "clio_run" in done.out
    assert ask("jobs", "--json").json()["count"] == before


def test_refusals_say_what_to_do(ask: Run, run: Run, portal: LivePortal) -> None:
    read_only = ask("shutdown", "1", who="viewer")
    assert (read_only.code, "scope operate" in read_only.err) == (4, True)
    assert ask("shutdown", "77").code == 5
    assert ask("jobs", "999999").code == 5
    assert ask("jobs", "--follow").code == 2
    bad = ask("nodes", CLIO_PORTAL_TOKEN="0" * 64)
    assert (bad.code, "clio-portal login" in bad.err) == (4, True)
    away = ask("nodes", CLIO_PORTAL_URL="http://127.0.0.1:1")
    assert (away.code, "--url" in away.err) == (3, True)
    assert ask("nodes", CLIO_PORTAL_URL="ftp://x").code == 2
    page = ask("nodes", CLIO_PORTAL_URL=f"{portal.url}/accounts")
    assert page.code == 3


def test_watch(ask: Run) -> None:
    done = ask("watch", "--count", "2", "--every", "0.2", "--json")
    assert done.code == 0
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(lines) == 2
    assert lines[0]["cursor"] < lines[1]["cursor"]
    assert "4 alive" in ask("watch", "--count", "1").out


def test_it_starts_without_django(run: Run) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-c"),
            "import clio_portal_cli.__main__",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert "clio_portal_cli" in loaded
    assert not loaded & {"django", "rest_framework", "apps", "clio_portal", "requests", "yaml"}


def test_help_lists_every_command_and_exit_code(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    words = ["login", "nodes", "node", "workers", "pools", "history", "shutdown", "restart"]
    words += ["jobs", "watch"]
    assert [word for word in words if f"    {word} " not in done.out] == []
    text = (ROOT / "docs" / "cli.md").read_text()
    assert [code for code in Exit if f"| {int(code)} |" not in text] == []
    assert run().code == 2
