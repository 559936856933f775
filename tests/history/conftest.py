"""Samples to store, and what a plain computation makes of them."""

from __future__ import annotations

from datetime import UTC, datetime

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
