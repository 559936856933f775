"""Checks of the portal itself: settings, configuration, database, broker, processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.core.checks import Warning as CheckWarning

from apps.cluster.discovery import Discovery, discover
from clio_portal.doctor.findings import Finding, ok, problem, skipped, warning
from clio_portal.health import readiness

SIGNS = ("beat", "control", "history")
REMEDIES = {
    "broker": "Start Redis, or correct CLIO_PORTAL_REDIS_URL.",
    "database": "Start the database, or correct CLIO_PORTAL_DATABASE_URL. The log has its error.",
    "migrations": "Run: python manage.py prepare",
    "beat": "Start it: celery -A clio_portal beat (in the single mode it is part of the portal).",
    "control": "Start one: celery -A clio_portal worker --queues control --pool threads",
    "history": "Start one: celery -A clio_portal worker --queues history --pool threads",
    "collector": "Read the log of the Celery worker for the queue collector, and beat's.",
}


def cluster_discover() -> Discovery:
    """The configuration and the host list, as the portal finds them now."""
    return discover(os.environ, home=Path.home())


def portal_findings(discovery: Discovery, *, at: datetime) -> Iterator[Finding]:
    """Everything that can be seen without asking a node."""
    yield from _settings()
    yield from _configuration(discovery)
    for part, seen in readiness(at=at).items():
        if part in SIGNS and not settings.PORTAL_REDIS_URL:
            # Without a broker all of them are part of the portal, which may rightly not run.
            yield skipped(part, f"{part}: part of the portal itself, which /readyz tells of.")
        elif seen["ok"]:
            yield ok(part, f"The {part} is well: {seen['detail']}.")
        else:
            yield problem(part, f"{part}: {seen['detail']}.", REMEDIES[part])


def _settings() -> Iterator[Finding]:
    messages = run_checks(include_deployment_checks=settings.PORTAL_MODE == "production")
    for message in messages:
        yield _setting(message)
    if not messages:
        yield ok("settings", f"The settings are consistent (mode {settings.PORTAL_MODE}).")
    if not settings.PORTAL_HTTPS and settings.PORTAL_MODE == "production":
        yield warning(
            "settings",
            "CLIO_PORTAL_HTTPS is false: passwords and tokens cross the network in the clear.",
            "Put a proxy with TLS in front and set CLIO_PORTAL_HTTPS=true.",
        )


def _setting(message: CheckMessage) -> Finding:
    text = f"{message.msg} ({message.id})"
    remedy = message.hint or "Correct the setting that the message names."
    if isinstance(message, CheckWarning) or message.level < CheckWarning("").level:
        return warning("settings", text, remedy)
    return problem("settings", text, remedy)


def _configuration(found: Discovery) -> Iterator[Finding]:
    for text in found.legacy:
        yield warning("configuration", text, "See docs/deployment.md on names that still work.")
    if found.problem is not None:
        yield problem("configuration", found.problem.message, found.problem.remedy)
    elif found.path is None:
        yield warning(
            "configuration",
            "No configuration file was found: the portal watches 127.0.0.1 only.",
            f"Set CLIO_SERVER_CONF. Looked at: {', '.join(found.searched)}.",
        )
    else:
        yield ok("configuration", f"{found.path} can be read.")
    if found.targets is not None:
        where = found.hostfile or "no host list: the one node on this machine"
        yield ok("host list", f"{len(found.targets)} nodes ({where}).")
