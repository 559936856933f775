"""The three roles and what each may do: the one table of it.

A role is a Django group of the same name, made by migration; each holds the one before it.
`docs/accounts.md` and the page for administrators show this table; tests hold them to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    @property
    def holds(self) -> str:
        """What it is for, in a few words."""
        return ROLE_WORDS[self]


ROLE_WORDS = {
    Role.VIEWER: "sees",
    Role.OPERATOR: "sees and acts",
    Role.ADMINISTRATOR: "also people, settings and the audit trail",
}


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One permission, and from which role on it is held."""

    codename: str
    words: str
    since: Role
    anonymous: bool = False
    """Held by everybody, signed in or not, where anonymous reading is switched on."""

    def held_by(self, role: Role) -> bool:
        order = list(Role)
        return order.index(role) >= order.index(self.since)


MATRIX = (
    MatrixRow(
        "view_live",
        "Can see nodes, workers, block devices, pools and their history",
        Role.VIEWER,
        anonymous=True,
    ),
    MatrixRow("view_config", "Can see the cluster's configuration", Role.VIEWER, anonymous=True),
    MatrixRow("view_jobs", "Can see control jobs and their output", Role.VIEWER),
    MatrixRow("operate_nodes", "Can shut down, start and restart nodes", Role.OPERATOR),
    MatrixRow("view_audit", "Can see and export the audit trail", Role.ADMINISTRATOR),
    MatrixRow("manage_people", "Can manage people, roles and tokens", Role.ADMINISTRATOR),
    MatrixRow("manage_settings", "Can change the portal's settings", Role.ADMINISTRATOR),
)

PERMISSION_WORDS = {row.codename: row.words for row in MATRIX}
PERMISSIONS = frozenset(PERMISSION_WORDS)
ROLE_PERMISSIONS: dict[Role, tuple[str, ...]] = {
    role: tuple(row.codename for row in MATRIX if row.held_by(role)) for role in Role
}
"""Codenames of `accounts` permissions by role. The migrations write the same."""
ANONYMOUS_PERMISSIONS = frozenset(row.codename for row in MATRIX if row.anonymous)


def permission_full_name(codename: str) -> str:
    """``view_live`` → ``accounts.view_live``. Raises ValueError for one that does not exist."""
    if codename not in PERMISSIONS:
        raise ValueError(f"There is no permission {codename!r}; see apps/accounts/roles.py.")
    return f"accounts.{codename}"


def matrix_markdown() -> str:
    """The table as `docs/accounts.md` holds it."""
    lines = [
        f"| permission | what it opens | {' | '.join(Role)} | anonymous, if switched on |",
        f"| --- | --- |{' :---: |' * (len(Role) + 1)}",
    ]
    for row in MATRIX:
        held = [row.held_by(role) for role in Role] + [row.anonymous]
        cells = " | ".join("yes" if one else "" for one in held)
        lines.append(f"| `{row.codename}` | {row.words.removeprefix('Can ')} | {cells} |")
    return "\n".join(lines) + "\n"
