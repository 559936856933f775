"""The list of jobs, and one job: live while it runs, kept when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.zones import time_fields
from apps.control.actions import ACTIONS
from apps.control.errors import JobOver
from apps.control.models import ControlJob, JobLine, JobStatus, JobTransition
from apps.control.selectors import JobFilter, job_get, job_lines, jobs
from apps.control.services import control_job_cancel
from apps.control.views.common import NOTHING_NEW, actor_of, parameters_given, query_of, whole_of
from apps.nodes.maintenance import maintenance_of, nodes_in_maintenance

JOBS_PER_PAGE = 50
LINES_SHOWN = 1000
"""As many on the page at once; the whole output is a file."""
NO_SUCH_NODE = 2**31 - 1


@require_safe
@portal_permission("view_jobs")
def jobs_page(request: HttpRequest) -> HttpResponse:
    return render(request, "control/jobs.html", _jobs_context(request, at=timezone.now()))


@require_safe
@portal_permission("view_jobs")
def jobs_fragment(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    if request.GET.get("cursor") == _jobs_cursor(nodes_in_maintenance(at=at)):
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "control/_jobs.html", _jobs_context(request, at=at))


def _jobs_cursor(kept: frozenset[int]) -> str:
    """Every change of status is a row, so the newest one stands for all."""
    newest = JobTransition.objects.order_by("-pk").values_list("pk", flat=True).first()
    return f"{newest or 0}.{len(kept)}"


def _jobs_context(request: HttpRequest, *, at: datetime) -> dict[str, Any]:
    given = {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:150]
        for name in ("node", "action", "status", "actor")
    }
    problems: dict[str, str] = {}
    node_id = whole_of(given["node"])
    if given["node"] and node_id is None:
        problems["node"] = "A node id is a whole number, such as 3."
        node_id = NO_SUCH_NODE
    times = time_fields(request, {"since": "From", "until": "Until"}, ends=("until",))
    if times.wrong:
        problems["times"] = "A time is written as 2026-11-22 or 2026-11-22T12:00."
    wanted = JobFilter(
        status=_statuses(given["status"]),
        action=given["action"],
        node_id=node_id,
        actor=given["actor"],
        since=times.at("since"),
        until=times.at("until"),
    )
    kept = nodes_in_maintenance(at=at)
    page = Paginator(jobs(wanted), JOBS_PER_PAGE).get_page(request.GET.get("page"))
    return {
        "at": at,
        "cursor": _jobs_cursor(kept),
        "kept": kept,
        "page": page,
        "given": given,
        "problems": problems,
        "times": times,
        "is_filtered": any(given.values()) or bool(times.query()),
        "filter_query": query_of(given | times.query()),
        "actions": list(ACTIONS.values()),
        "statuses": JobStatus.choices,
    }


def _statuses(word: str) -> tuple[str, ...]:
    if word == "active":
        return (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.VERIFYING)
    return (word,) if word else ()


@require_safe
@portal_permission("view_jobs")
def job_page(request: HttpRequest, pk: int) -> HttpResponse:
    at = timezone.now()
    job = job_get(pk)
    context = _job_context(job, at=at) | _output_context(job)
    return render(request, "control/job.html", context)


@require_safe
@portal_permission("view_jobs")
def job_fragment(request: HttpRequest, pk: int) -> HttpResponse:
    job = job_get(pk)
    context = _job_context(job, at=timezone.now())
    if request.GET.get("cursor") == context["cursor"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "control/_job.html", context)


def _job_context(job: ControlJob, *, at: datetime) -> dict[str, Any]:
    transitions = list(job.transitions.order_by("pk"))
    checks = list(job.checks.order_by("pk"))
    action = ACTIONS.get(job.action)
    asked = int(job.cancel_requested_at is not None)
    newest = transitions[-1].pk if transitions else 0
    return {
        "at": at,
        "section": "jobs",
        "job": job,
        "title": action.title if action else job.action,
        "parameters": parameters_given(action, job.parameters),
        "transitions": transitions,
        "checks": checks,
        "cursor": f"{newest}.{len(checks)}.{asked}",
        "node_url": _node_url(job),
        "kept": maintenance_of(job.node, at=at),
    }


def _node_url(job: ControlJob) -> str:
    """The node's page, by the id that it has now; empty when it has left the host list."""
    if job.node.node_id is None or job.node.retired_at is not None:
        return ""
    return reverse("node", args=[job.node.node_id])


def _output_context(job: ControlJob) -> dict[str, Any]:
    """The last lines that are stored; the first load does not wait for the very long ones."""
    newest = JobLine.objects.filter(job=job).order_by("-number")[:LINES_SHOWN]
    lines = list(newest)[::-1]
    return {
        "lines": lines,
        "last_line": lines[-1].number if lines else 0,
        "lines_before": lines[0].number - 1 if lines else 0,
    }


@require_safe
@portal_permission("view_jobs")
def job_output_fragment(request: HttpRequest, pk: int) -> HttpResponse:
    """Lines after number ``cursor``, to be added below those that are there."""
    job = job_get(pk)
    after = whole_of(request.GET.get("cursor", "")) or 0
    lines = job_lines(job, after=after, limit=LINES_SHOWN)
    if not lines:
        return HttpResponse(status=NOTHING_NEW)
    context = {"lines": lines, "last_line": lines[-1].number}
    return render(request, "control/_lines_more.html", context)


@require_safe
@portal_permission("view_jobs")
def job_output_text(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The whole output as a text file."""
    job = job_get(pk)
    response = StreamingHttpResponse(_output_lines(job), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job.pk}-output.txt"'
    return response


def _output_lines(job: ControlJob) -> Iterator[str]:
    stored = JobLine.objects.filter(job=job).order_by("number").values_list("text", flat=True)
    for text in stored.iterator(chunk_size=1000):
        yield f"{text}\n"


@portal_permission("operate_nodes")
@require_POST
def job_cancel_page(request: HttpRequest, pk: int) -> HttpResponse:
    at = timezone.now()
    job = job_get(pk)
    try:
        control_job_cancel(job, actor=actor_of(request), at=at)
    except JobOver as over:
        job = job_get(pk)
        context = _job_context(job, at=at) | _output_context(job) | {"problem": over}
        return render(request, "control/job.html", context, status=over.status)
    return redirect("job", job.pk)
