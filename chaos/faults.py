"""What is done to a site, and what people must see of it within ten seconds.

Each fault is a function of a `Site` (and of its real nodes). It does its harm, waits until
the portal shows it, ends it, and returns one sentence on what people saw. What is the same
for all of them (numbers, samples, audit chain, recovery) is checked by the caller.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from chaos.observer import SEEN_WITHIN_S, Look
from chaos.processes import wait_for
from chaos.site import Site
from demo.local_cluster import LocalCluster
from stack.client import PortalClient

NOTICED_S = SEEN_WITHIN_S + 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where faults happen: four real nodes, and the portal's stack."""

    site: Site
    cluster: LocalCluster


Fault = Callable[[Place], str]
FAULTS: dict[str, tuple[str, Fault]] = {}


def fault(name: str, title: str) -> Callable[[Fault], Fault]:
    def add(of: Fault) -> Fault:
        FAULTS[name] = (title, of)
        return of

    return add


def _still_right(site: Site, seconds: float) -> None:
    """Every look meanwhile that was answered showed fresh figures and no node lost. A busy
    machine may make one “suspect”, that is, late; that is no loss.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        look = site.observer.latest
        if look is not None and look.answer.status == 200:
            lost = {
                node_id: (node["state"], node["age_s"])
                for node_id, node in look.nodes.items()
                if node["stale"] or node["state"] not in ("alive", "suspect")
            }
            if lost:
                raise AssertionError(f"it showed {lost}")
        time.sleep(0.2)


def boots_of(site: Site, node_id: int) -> set[int]:
    rows = site.read(
        "SELECT DISTINCT c.boot FROM nodes_samplechunk c JOIN nodes_node n ON n.id = c.node_id "
        "WHERE n.node_id = %s",
        node_id,
    )
    return {int(row[0]) for row in rows}


# --- the portal's own processes


@fault("web-killed", "web: kill -9 of all its processes")
def web_killed(place: Place) -> str:
    site = place.site
    site.stack.web.kill()
    site.observer.until(lambda look: look.answer.status == 0, within_s=5, what="nobody answers")
    took = site.observer.until(lambda look: look.is_right, within_s=60, what="it answers again")
    return f"no answer, and {took:.0f} s later the page again; nobody has to sign in anew"


@fault("collector-killed", "Celery worker of the collector: kill -9 in the middle of a poll")
def collector_killed(place: Place) -> str:
    site = place.site
    # The one that has nodes, in the middle of a round: right after it has begun one.
    rows = site.read(
        "SELECT m.pid FROM collector_collectormember m JOIN collector_collectorshard s "
        "ON s.member_id = m.id JOIN nodes_node n ON n.id % 60 = s.number GROUP BY 1"
    )
    pids = {int(row[0]) for row in rows}
    for collector in site.stack.collectors:
        if collector.pid in pids:
            collector.kill()
            break
    _still_right(site, 15)
    return "nothing: figures stay fresh, another collector polls on"


@fault("collectors-killed", "all Celery workers of the collector: kill -9")
def collectors_killed(place: Place) -> str:
    site = place.site
    for collector in site.stack.collectors:
        collector.kill()
    time.sleep(2)
    return "the figures' age rises until they are polled again; after 15 s they would be stale"


@fault("history-killed", "Celery worker of the history: kill -9, twice in a row")
def history_killed(place: Place) -> str:
    for _ in range(2):
        place.site.stack.history.kill()
        time.sleep(3)
    _still_right(place.site, 15)
    return "nothing: the newest minutes of the history come some seconds later"


@fault("control-killed", "Celery worker of control: kill -9 in the middle of a job")
def control_killed(place: Place) -> str:
    site, reason = place.site, f"chaos: killed in the job {time.time_ns()}"
    boots = boots_of(site, 3)
    site.launch(3, "restart", reason=reason)
    wait_for(
        lambda: (site.job(reason) or ("",))[0] in ("running", "verifying"),
        within_s=30,
        what="the job runs",
        every_s=0.02,
    )
    site.stack.control.kill()
    status = site.job_ends(reason, within_s=60)
    # What a killed restart left behind is for a person to decide; here the run does it.
    site.launch(3, "start", reason=f"{reason} (again)")
    site.job_ends(f"{reason} (again)")
    began_anew = len(boots_of(site, 3) - boots)
    if began_anew > 2:
        raise AssertionError(f"node 3 began {began_anew} times")
    return f"the job ends as “{status}”, with what is not known about it; it is not run again"


@fault("beat-killed", "Celery beat: kill -9 of the one that acts")
def beat_killed(place: Place) -> str:
    site = place.site
    beats = site.stack.beats
    leading = [beat for beat in beats if "beat leads now" in beat.log.read_text()]
    max(leading, key=lambda beat: beat.log.stat().st_mtime).kill()
    _still_right(site, 15)
    return "nothing: the second beat acts within 6 s"


# --- its services


@fault("redis-lost", "Redis: kill -9, away for 5 s, its memory lost; a job launched meanwhile")
def redis_lost(place: Place) -> str:
    site, reason = place.site, f"chaos: without a broker {time.time_ns()}"
    password = _visitor(site)
    with site.supervisor.held(site.redis.child):
        site.redis.child.kill()
        answer = site.launch(3, "restart", reason=reason)
        if answer.status not in (200, 202):
            raise AssertionError(f"the job was not taken: {answer}")
        time.sleep(5)
        look = site.observer.latest
        if look is None or look.answer.status != 200:
            raise AssertionError(f"pages need Redis: {look}")
        _sign_in_and_out(site, "visitor", password)
    site.redis.start()
    status = site.job_ends(reason)
    return (
        "pages as before, from the database; somebody signs in and out; "
        f"the job waits, then ends as “{status}”"
    )


def _visitor(site: Site) -> str:
    """The password of an account that may look."""
    password = secrets.token_urlsafe(18)
    person = ("portal_account", "--username", "visitor", "--role", "viewer")
    site.stack.manage(*person, "--password-stdin", "--json", text=f"{password}\n")
    return password


def _sign_in_and_out(site: Site, name: str, password: str) -> None:
    """Raises AssertionError when either can't be done."""
    browser = PortalClient(site.stack.url)
    browser.sign_in(name, password)
    if browser.get("/accounts/me").status != 200:
        raise AssertionError("signed in, and no page")
    browser.post("/accounts/logout/", {})
    page = browser.get("/accounts/me")  # leads to the form
    if "Sign out" in page.text or page.status != 200:
        raise AssertionError(f"signed out, and then HTTP {page.status}")


@fault("postgres-restarted", "PostgreSQL restarted, a job running")
def postgres_restarted(place: Place) -> str:
    site, reason = place.site, f"chaos: database restarted {time.time_ns()}"
    site.launch(3, "restart", reason=reason)
    site.postgres.child.stop(signal.SIGINT)
    site.postgres.start()
    status = site.job_ends(reason)
    return f"an error page for some seconds; the job ends as “{status}”"


@fault("postgres-away", "PostgreSQL away for 60 s")
def postgres_away(place: Place) -> str:
    site = place.site
    browser = PortalClient(site.stack.url)
    browser.sign_in("visitor", _visitor(site))
    with site.supervisor.held(site.postgres.child):
        site.postgres.child.stop(signal.SIGINT)
        took = site.observer.until(
            lambda look: _code(look) == "database_away", within_s=NOTICED_S, what="an error"
        )
        page = browser.get("/")
        if page.status != 503 or "database" not in page.text:
            raise AssertionError(f"the page says HTTP {page.status}: {page.text[:200]}")
        time.sleep(60)
    site.postgres.start()
    return f"after {took:.1f} s pages and API say that the database is away (503), no old figures"


def _code(look: Look) -> str:
    """The word of an error; empty when there is none."""
    body = look.answer.body
    return str(body.get("code", "")) if isinstance(body, dict) else ""


@fault("disk-full", "the database's disk full for 20 s")
def disk_full(place: Place) -> str:
    site = place.site
    disk = site.postgres.data.parent
    if not disk.is_mount():
        raise AssertionError("not tried: a small disk can only be had as root")
    filler = disk / "filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    time.sleep(20)
    shown = site.observer.latest
    filler.unlink()
    told = "nothing"
    if shown is not None:
        told = (
            f"{_code(shown)} (HTTP {shown.answer.status})"
            if shown.answer.status != 200
            else (
                "figures marked stale" if not shown.is_right else "the last figures, with their age"
            )
        )
    return f"{told}; nothing half-stored"
