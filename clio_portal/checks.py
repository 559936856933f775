"""System checks of the project as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


@register()
def unknown_variables(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A misspelt variable would otherwise be ignored in silence."""
    return [
        Warning(
            f"{name} is set, but the portal has no such setting.",
            hint=f"Did you mean {meant}?" if meant else None,
            id="clio_portal.W001",
        )
        for name, meant in settings.PORTAL_UNKNOWN_VARIABLES.items()
    ]
