"""Jobs: list, detail, output, cancel."""

from __future__ import annotations

from datetime import datetime

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.services import Actor
from apps.cluster.api.live import LiveViewSet, iso
from apps.cluster.api.schema import answers
from apps.common.time import utc_now
from apps.control.actions import ACTIONS
from apps.control.api import serializers as shapes
from apps.control.api.answers import job_detail, job_fields
from apps.control.api.body import WHOLE, time_of, wait_parameter, whole_parameter
from apps.control.api.paging import PAGING, page_read
from apps.control.api.schema import JOB, WAIT, found_answers, parameter
from apps.control.api.waiting import job_wait
from apps.control.errors import JobUnknown
from apps.control.models import ACTIVE, ControlJob, JobStatus
from apps.control.selectors import MAX_PK, JobFilter, job_get, job_lines, jobs
from apps.control.services import control_job_cancel
from apps.nodes.api.errors import BadParameter

LINES_DEFAULT, LINES_MOST = 1000, 5000
LONGEST_WORD = 150

FILTERS = [
    parameter("status", {"type": "string"}, "One or more of the statuses, or `active`."),
    parameter("action", {"type": "string"}, "Only this action."),
    parameter("node", {"type": "integer", "minimum": 0}, "Only jobs on this node id."),
    parameter("actor", {"type": "string"}, "A part of the name of who wanted it."),
    parameter("batch", {"type": "integer", "minimum": 1}, "Only jobs of this batch."),
    parameter("since", {"type": "string", "format": "date-time"}, "Launched then or later."),
    parameter("until", {"type": "string", "format": "date-time"}, "Launched before then."),
    *PAGING,
]


class JobViewSet(LiveViewSet):
    """Control jobs."""

    required_permissions = {
        "list": "view_jobs",
        "retrieve": "view_jobs",
        "output": "view_jobs",
        "cancel": "operate_nodes",
    }
    required_permission = "view_jobs"

    @extend_schema(
        operation_id="jobs",
        summary="Control jobs, newest first",
        parameters=FILTERS,
        responses=answers(shapes.JobListSerializer, bad=True),
    )
    def list(self, request: Request) -> Response:
        wanted = jobs(_filter(request))
        page, following = page_read(request, wanted)
        return Response(
            {
                "jobs": [job_fields(job) for job in page],
                "count": wanted.count(),
                "next": following,
            }
        )

    @extend_schema(
        operation_id="job",
        summary="One control job with its history",
        parameters=[JOB],
        responses=found_answers(shapes.JobDetailSerializer),
    )
    def retrieve(self, request: Request, job_id: str) -> Response:
        return Response(job_detail(job_find(job_id)))

    @extend_schema(
        operation_id="job_output",
        summary="Output of a control job, after a given line",
        parameters=[
            JOB,
            parameter("after", {"type": "integer", "minimum": 0}, "Only lines after this one."),
            parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": LINES_MOST}, "Lines at most."
            ),
        ],
        responses=found_answers(shapes.OutputSerializer),
    )
    def output(self, request: Request, job_id: str) -> Response:
        after = whole_parameter(request, "after", default=0, high=2**31 - 1)
        limit = whole_parameter(request, "limit", default=LINES_DEFAULT, high=LINES_MOST) or 1
        # The status first: lines come before the end, so none is missed by a last question.
        job = job_find(job_id)
        lines = job_lines(job, after=after, limit=limit)
        return Response(
            {
                "job": job.pk,
                "status": job.status,
                "lines": [
                    {
                        "number": line.number,
                        "stream": line.stream,
                        "text": line.text,
                        "at": iso(line.at),
                    }
                    for line in lines
                ],
                "last": lines[-1].number if lines else after,
                "complete": job.is_final and len(lines) < limit,
            }
        )

    @extend_schema(
        operation_id="job_cancel",
        summary="Cancel a control job",
        parameters=[JOB, WAIT],
        request=None,
        responses=found_answers(shapes.JobSerializer, conflict=True),
    )
    def cancel(self, request: Request, job_id: str) -> Response:
        wait_s = wait_parameter(request)
        job = job_find(job_id)
        control_job_cancel(job, actor=Actor.of(request.user), at=utc_now())
        return Response(job_fields(job_wait(job.pk, wait_s=wait_s)))


def job_find(text: str) -> ControlJob:
    """Raises JobUnknown (404): what is no number names no job."""
    if not WHOLE.fullmatch(text):
        raise JobUnknown(repr(text[:40]))
    return job_get(int(text))


def _filter(request: Request) -> JobFilter:
    node = request.query_params.get("node", "")
    batch = whole_parameter(request, "batch", default=0, high=MAX_PK)
    return JobFilter(
        status=_statuses(request),
        action=_action(request),
        node_id=None if node == "" else whole_parameter(request, "node", default=0, high=2**31 - 1),
        actor=request.query_params.get("actor", "")[:LONGEST_WORD].replace("\x00", ""),
        batch=batch or None,
        since=_time(request, "since"),
        until=_time(request, "until"),
    )


def _action(request: Request) -> str:
    action = request.query_params.get("action", "")
    if action and action not in ACTIONS:
        raise BadParameter("action", action, wanted=f"one of {', '.join(ACTIONS)}")
    return action


def _statuses(request: Request) -> tuple[str, ...]:
    asked = ",".join(request.query_params.getlist("status"))
    words = [word for word in asked.split(",") if word]
    found: list[str] = []
    for word in words:
        if word == "active":
            found.extend(ACTIVE)
        elif word in JobStatus.values:
            found.append(word)
        else:
            raise BadParameter("status", word, wanted=f"one of {', '.join(JobStatus.values)}")
    return tuple(found)


def _time(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name, "")
    return time_of(text, name) if text else None
