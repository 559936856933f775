"""Model fields of our own."""

from __future__ import annotations

from typing import Any

from django.db import models


class BulkJSONField(models.JSONField):
    """JSON of which many rows are written at once.

    PostgreSQL would get such rows as one array for each column, and the driver puts a
    backslash before every quote in them one by one, in Python: that took as long as all else
    of storing. A field with a placeholder of its own is left out of this.
    """

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        return "%s"

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """To migrations it is what it is in the database."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs
