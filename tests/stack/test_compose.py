"""The compose file and what belongs to it, as far as that can be seen without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from clio_portal.celery import QUEUES
from clio_portal.settings.env import read
from stack.processes import SERVICES, VARIABLE, compose_services
from tests.platform.process import ROOT, environment

FILE = ROOT / "docker-compose.yml"
PORTAL = ("prepare", "web", "collector", "history", "control", "beat")
NODES = ("node0", "node1", "node2", "node3")
SECRETS = ("CLIO_PORTAL_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
TELLING = re.compile(r"secret|password|token|_key$", re.IGNORECASE)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return compose_services({})


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_it_has_the_services_that_a_site_needs(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*PORTAL, "postgres", "redis", "keys", *NODES}
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert {name for name, given in profiles.items() if given == ["cluster"]} == {"keys", *NODES}


def test_no_secret_is_in_the_file(raw: dict[str, Any]) -> None:
    """Each has to come from outside, and the start fails without it."""
    for name, service in raw["services"].items():
        for key, value in service.get("environment", {}).items():
            if TELLING.search(key):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (name, key)
            elif "://" in value:
                assert re.search(r"://[^@]*\$\{\w+:\?[^}]+\}@", value), (name, key)
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert [example[name] for name in SECRETS] == ["", "", ""]


def test_every_variable_without_a_default_is_in_the_example() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    assert needed == set(SECRETS)
    named = set(re.findall(r"^#? ?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert needed <= named
    portal = {name.removeprefix("CLIO_PORTAL_") for name in named if name.startswith("CLIO_PORTAL")}
    assert portal <= read.known


@pytest.mark.parametrize("name", [*PORTAL, *NODES, "keys", "postgres", "redis"])
def test_no_service_can_do_more_than_it_must(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    service = services[name]
    assert service["user"] not in ("", "0", "0:0", "root")
    assert service.get("read_only") is (None if name == "postgres" else True)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert "privileged" not in service


def test_what_runs_on_has_a_health_check_and_comes_back(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, service in services.items():
        once = name in ("prepare", "keys")
        assert ("healthcheck" in service) is not once, name
        assert service["restart"] == ("no" if once else "unless-stopped"), name


def test_nothing_starts_before_what_it_needs(services: dict[str, dict[str, Any]]) -> None:
    for name in SERVICES:
        assert services[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "prepare": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    assert "depends_on" not in services["prepare"], "it waits by itself"
    for name in NODES:
        assert services[name]["depends_on"]["keys"]["condition"] == "service_completed_successfully"


def test_the_nodes_stand_where_the_host_list_says(raw: dict[str, Any]) -> None:
    addresses = [raw["services"][name]["networks"]["cluster"]["ipv4_address"] for name in NODES]
    assert addresses == [f"172.28.0.{number}" for number in (10, 11, 12, 13)]
    assert (ROOT / "deploy/cluster/hostfile").read_text().split() == addresses
    # Database and broker are out of the nodes' reach; only the web server is published.
    for name in ("postgres", "redis"):
        assert raw["services"][name]["networks"] == ["backend"]
        assert "ports" not in raw["services"][name]
    assert raw["services"]["web"]["ports"] == ["${WEB_LISTEN:-127.0.0.1:8000}:8000"]


def test_each_queue_has_one_kind_of_celery_worker(services: dict[str, dict[str, Any]]) -> None:
    served = [
        services[name]["command"][services[name]["command"].index("--queues") + 1]
        for name in ("collector", "history", "control")
    ]
    assert served == list(QUEUES)


@pytest.mark.parametrize("name", SERVICES)
def test_each_command_exists_and_knows_its_options(
    name: str, services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    program, *rest = [str(word) for word in services[name]["command"]]
    check = ["--check-config"] if program == "gunicorn" else ["--help"]
    given = {
        "CLIO_PORTAL_MODE": "production",
        "CLIO_PORTAL_SECRET_KEY": "x9" * 30,
        "CLIO_PORTAL_BIND": "127.0.0.1:0",
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *rest, *check],
        cwd=ROOT,
        env=environment(given, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_override_for_a_site_s_own_cluster_speaks_of_services_that_exist(
    services: dict[str, dict[str, Any]],
) -> None:
    class Loader(yaml.SafeLoader):
        """Knows compose's own tag."""

    Loader.add_constructor("!reset", lambda loader, node: None)
    text = (ROOT / "deploy/compose.host-network.yml").read_text()
    changed = yaml.load(text, Loader)["services"]  # noqa: S506 - a SafeLoader
    assert set(changed) <= set(services)
    for name in ("collector", "control"):
        assert changed[name]["network_mode"] == "host"
        assert changed[name]["networks"] is None
    assert all(match.group(1) in text for match in VARIABLE.finditer(text))


def test_the_images_hold_what_their_files_copy() -> None:
    for file in ("deploy/portal/Dockerfile", "deploy/runtime/Dockerfile"):
        text = (ROOT / file).read_text()
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
            *sources, _ = [word for word in line.split() if not word.startswith("--")]
            for source in sources:
                assert (ROOT / source).exists(), (file, source)
        assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]


@pytest.mark.parametrize(
    "path",
    [
        "deploy/runtime/clio-node",
        "deploy/runtime/clio-keys",
        "interactive/run.sh",
        "stack/standins/postgres-entrypoint",
    ],
)
def test_scripts_are_well_formed_and_may_be_run(path: str) -> None:
    script = ROOT / path
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


# --- interactive/run.sh, with an engine that only writes down what it is told

FAKE_DOCKER = """#!/bin/bash
echo "$@" >> "$CALLS"
case "$*" in *first-account*) echo "The first account. User name: admin" ;; esac
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "interactive").mkdir()
    shutil.copy(ROOT / "interactive/run.sh", tmp_path / "interactive/run.sh")
    shutil.copy(ROOT / ".env.example", tmp_path / ".env.example")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(FAKE_DOCKER)
    docker.chmod(0o755)
    return tmp_path


def run_sh(site: Path, *arguments: str) -> tuple[int, str, list[str]]:
    calls = site / "calls"
    calls.write_text("")
    done = subprocess.run(
        [str(site / "interactive/run.sh"), *arguments],
        env={"PATH": f"{site / 'bin'}:/usr/bin:/bin", "CALLS": str(calls)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    heard = [
        line.removeprefix("compose ")
        for line in calls.read_text().splitlines()
        if line not in ("compose version", "info")
    ]
    return done.returncode, done.stdout + done.stderr, heard


def test_the_first_start_makes_secrets_for_its_owner_and_an_account(site: Path) -> None:
    code, said, heard = run_sh(site, "start")
    assert code == 0, said
    assert heard[0] == "up --build --detach"
    assert any("first-account" in call for call in heard)
    assert "User name: admin" in said
    assert "CLIO Portal is at http://127.0.0.1:8000/" in said
    env = site / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    given = dict(re.findall(r"^(\w+)=(.*)$", env.read_text(), re.MULTILINE))
    assert len({given[name] for name in SECRETS}) == 3
    assert all(len(given[name]) >= 50 for name in SECRETS)
    assert given["CLIO_PORTAL_HTTPS"] == "false"
    assert not any(given[name] in said for name in SECRETS)
    before = env.read_text()
    assert run_sh(site, "start")[0] == 0
    assert env.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "up --build"),
        (["stop"], "stop"),
        (["logs", "web"], "logs --follow --tail 200 web"),
        (
            ["admin", "eve"],
            "exec -T web python manage.py portal_account --username eve --role administrator",
        ),
    ],
)
def test_each_word_of_run_sh_does_what_it_says(arguments: list[str], told: str, site: Path) -> None:
    code, said, heard = run_sh(site, *arguments)
    assert code == 0, said
    assert heard == [told]


def test_with_podman_the_files_that_env_names_are_used_too(site: Path) -> None:
    (site / "bin/docker").unlink()
    podman = site / "bin/podman-compose"
    podman.write_text('#!/bin/bash\necho "$COMPOSE_FILE: $*" >> "$CALLS"\n')
    podman.chmod(0o755)
    assert run_sh(site, "stop")[2] == [": stop"]
    files = "docker-compose.yml:deploy/compose.host-network.yml"
    (site / ".env").write_text(f"COMPOSE_FILE={files}\n")
    assert run_sh(site, "stop")[2] == [f"{files}: stop"]


def test_an_unknown_word_shows_how_it_is_used(site: Path) -> None:
    code, said, heard = run_sh(site, "restart-all")
    assert code == 2
    assert "interactive/run.sh start" in said
    assert heard == []
