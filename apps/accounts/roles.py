"""The three roles. A role is a Django group of the same name; each holds the one before it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


VIEWER_PERMISSIONS = ("view_live", "view_config", "view_jobs")
OPERATOR_PERMISSIONS = (*VIEWER_PERMISSIONS, "operate_nodes")
ADMINISTRATOR_PERMISSIONS = (
    *OPERATOR_PERMISSIONS,
    "view_audit",
    "manage_people",
    "manage_settings",
)
ROLE_PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.VIEWER: VIEWER_PERMISSIONS,
    Role.OPERATOR: OPERATOR_PERMISSIONS,
    Role.ADMINISTRATOR: ADMINISTRATOR_PERMISSIONS,
}
"""Codenames of `accounts` permissions by role. The migrations write the same."""

PERMISSIONS = frozenset(ADMINISTRATOR_PERMISSIONS)


def permission_full_name(codename: str) -> str:
    """``view_live`` → ``accounts.view_live``. Raises ValueError for one that does not exist."""
    if codename not in PERMISSIONS:
        raise ValueError(f"There is no permission {codename!r}; see apps/accounts/roles.py.")
    return f"accounts.{codename}"
