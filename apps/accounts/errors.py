"""What can be wrong with an account."""

from __future__ import annotations

from collections.abc import Sequence

from apps.common.errors import PortalError


class PasswordTooWeak(PortalError):
    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            " ".join(reasons),
            code="password_too_weak",
            status=400,
            remedy="Use 12 characters or more that are not a common password.",
        )


class AccountInvalid(PortalError):
    def __init__(self, message: str) -> None:
        super().__init__(message, code="account_invalid", status=400)
