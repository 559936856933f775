"""The configuration in force, and the list of routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.cluster.api import serializers as shapes
from apps.cluster.api.errors import config_error
from apps.cluster.api.live import LiveViewSet, iso
from apps.cluster.api.schema import answers
from apps.cluster.selectors import ConfigView, cluster_current, config_view

ROUTES = ("api-topology", "api-system", "api-workers", "api-pools", "api-config")
NODE_ROUTES = (
    "api-node-workers",
    "api-node-system-stats",
    "api-node-bdev-stats",
    "api-node-container-stats",
)


HISTORY_ROUTES = (
    *("api-history-metrics", "api-history-series", "api-history-fleet", "api-history-top"),
    *("api-history-heatmap", "api-history-states", "api-history-marks"),
)
CONTROL_ROUTES = ("api-jobs", "api-batches")
NODE_CONTROL_ROUTES = (
    *("api-node-shutdown", "api-node-start", "api-node-restart", "api-node-status"),
    "api-node-maintenance",
)
DESCRIPTIONS = ("api-schema", "api-docs", "api-redoc")


class ApiRootViewSet(LiveViewSet):
    """The routes that there are."""

    @extend_schema(exclude=True)
    def retrieve(self, request: Request) -> Response:
        return Response(
            {
                "cluster": _addresses(ROUTES),
                "node": _addresses(NODE_ROUTES, node_id="0"),
                "history": _addresses(HISTORY_ROUTES),
                "control": _addresses(CONTROL_ROUTES)
                | _addresses(NODE_CONTROL_ROUTES, node_id="0"),
                "description": _addresses(DESCRIPTIONS),
            }
        )


def _addresses(names: Sequence[str], **parts: str) -> dict[str, str]:
    return {name.removeprefix("api-"): reverse(name, kwargs=parts or None) for name in names}


class ConfigViewSet(LiveViewSet):
    """The cluster's configuration file, secrets masked."""

    required_permission = "view_config"

    @extend_schema(
        operation_id="config",
        summary="The configuration in force",
        responses=answers(
            shapes.ConfigSerializer,
            missing=shapes.ConfigMissingSerializer,
            unreachable=shapes.ConfigBrokenSerializer,
        ),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        view = config_view(cluster_current())
        if view.config is None:
            raise config_error(view)
        return Response(config_fields(view), headers={"Cache-Control": "private, no-cache"})


def config_fields(view: ConfigView) -> dict[str, Any]:
    """The contract's answer; `error` is there only when the file can't be read now."""
    fields: dict[str, Any] = {
        "config": view.config,
        "path": view.path,
        "read_at": iso(view.read_at),
        "version": view.version,
        "legacy": view.legacy,
        "searched": view.searched,
    }
    return fields if view.error is None else {**fields, "error": view.error}
