"""How each failure on the way to a node reads on the job's page: its sentence and its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.roles import Role
from apps.control.models import ControlJob
from apps.control.remote import failures
from apps.control.remote.types import RemoteFailure
from apps.control.services import control_job_run
from apps.runtime.wire.client import WireClient
from tests.control.kit import Machines, cluster_with_nodes, launch
from tests.pages.markup import Markup
from tests.pages.test_control_pages import client_of

pytestmark = pytest.mark.django_db
WHERE = "node3.cluster.example.org:22"
KEY = Path("/etc/clio-portal/id_ed25519")
KNOWN = Path("/var/lib/clio-portal/known_hosts")
HASH = "SHA256:" + 43 * "x"
RUN = "/opt/clio/bin/clio_run"
FAILURES: dict[str, Callable[[], RemoteFailure]] = {
    "unknown_host": lambda: failures.UnknownHost("node3", "Name or service not known"),
    "refused": lambda: failures.Refused(WHERE),
    "unreachable": lambda: failures.Unreachable(WHERE, "No route to host"),
    "connect_timed_out": lambda: failures.ConnectTimedOut(WHERE, 5),
    "no_banner": lambda: failures.NoBanner(WHERE, "it said nothing within 5 s"),
    "negotiation_failed": lambda: failures.NegotiationFailed(WHERE, "no cipher in common"),
    "authentication_failed": lambda: failures.AuthenticationFailed(WHERE, "clio", f"{KEY}"),
    "key_file_missing": lambda: failures.KeyFileMissing(KEY),
    "key_file_unusable": lambda: failures.KeyFileUnusable(KEY, "it has a passphrase", "Use one."),
    "host_key_changed": lambda: failures.HostKeyChanged(
        WHERE, known=HASH, offered=HASH.replace("x", "y"), known_hosts=KNOWN
    ),
    "host_key_unknown": lambda: failures.HostKeyUnknown(WHERE, offered=HASH, known_hosts=KNOWN),
    "known_hosts_unusable": lambda: failures.KnownHostsUnusable(KNOWN, "permission denied"),
    "clio_run_not_found": lambda: failures.ClioRunNotFound(RUN, WHERE, "No such file"),
    "permission_denied": lambda: failures.PermissionDenied(RUN, WHERE, "Permission denied"),
    "command_timed_out": lambda: failures.CommandTimedOut(RUN, WHERE, 75),
    "link_lost": lambda: failures.LinkLost(WHERE, "connection reset", began=True),
}


def job_of(failure: RemoteFailure) -> ControlJob:
    """A job that ended with it. Nothing listens at the node's address; it is not looked at."""
    cluster_with_nodes(1)
    job = launch(0, "status").job
    with WireClient() as client:
        tools = Machines(failure=failure).tools(client)
        control_job_run(job.pk, holder="w", tools=tools)
    return ControlJob.objects.get(pk=job.pk)


@pytest.mark.parametrize("code", FAILURES)
def test_its_sentence_and_its_remedy_are_on_the_page(code: str) -> None:
    failure = FAILURES[code]()
    job = job_of(failure)
    assert (failure.code, job.outcome_code) == (code, code)
    response: Any = client_of(Role.VIEWER).get(f"/jobs/{job.pk}")
    shown = Markup(response.content.decode())
    assert shown.forbidden == []
    assert failure.message in shown.text, "whole, not cut"
    assert failure.remedy
    assert failure.remedy in shown.text
    assert "timed out" in shown.text or "failed" in shown.text


def test_no_two_sound_alike() -> None:
    made = [make() for make in FAILURES.values()]
    assert len({failure.message for failure in made}) == len(made)
    assert len({failure.remedy for failure in made}) == len(made)


def test_all_are_here() -> None:
    classes = {one for one in vars(failures).values() if isinstance(one, type)} - {RemoteFailure}
    ways = {one for one in classes if issubclass(one, RemoteFailure)} - {failures.Canceled}
    assert {type(make()) for make in FAILURES.values()} == ways
