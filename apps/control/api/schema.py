"""Parameters and answers that the control routes have in common, for the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from apps.cluster.api.schema import answers
from apps.cluster.api.serializers import ErrorSerializer
from apps.control.api import serializers as shapes
from apps.control.selectors import MAX_PK

WAIT = OpenApiParameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": 60, "default": 10},
    description="Seconds to wait for the job's end; past that the answer is 202.",
)
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,128}$"},
    OpenApiParameter.HEADER,
    description="A request that is sent again with the same key is done once.",
)
JOB = OpenApiParameter(
    "job_id",
    {"type": "integer", "minimum": 1, "maximum": MAX_PK},
    OpenApiParameter.PATH,
    description="The job's number.",
)
BATCH = OpenApiParameter(
    "batch_id",
    {"type": "integer", "minimum": 1, "maximum": MAX_PK},
    OpenApiParameter.PATH,
    description="The batch's number.",
)


EVENT = OpenApiParameter(
    "number",
    {"type": "integer", "minimum": 1, "maximum": MAX_PK},
    OpenApiParameter.PATH,
    description="The event's number.",
)


def parameter(name: str, kind: dict[str, Any], description: str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description)


def error(description: str) -> OpenApiResponse:
    return OpenApiResponse(ErrorSerializer, description=description)


def launch_answers() -> dict[int, OpenApiResponse]:
    """Of a route that launches one job and waits for it."""
    return dict(
        sorted(
            {
                **answers(shapes.JobResultSerializer, bad=True, node=True),
                202: OpenApiResponse(
                    shapes.JobResultSerializer, description="Not at its end: see `url`."
                ),
                409: OpenApiResponse(
                    shapes.ConflictSerializer,
                    description="The node is busy with another job, or a warning is to be "
                    "confirmed.",
                ),
                422: error("The Idempotency-Key was used for something else."),
                502: OpenApiResponse(
                    shapes.JobResultSerializer, description="The job ended without success."
                ),
                503: error("The portal knows of no cluster yet."),
            }.items()
        )
    )


def found_answers(good: Any, *, conflict: bool = False) -> dict[int, OpenApiResponse]:
    """Of a route that names a job or a batch."""
    found = {**answers(good, bad=True), 404: error("There is no such number.")}
    if conflict:
        found[409] = error("It is over, or not in a state that allows this.")
    return dict(sorted(found.items()))
