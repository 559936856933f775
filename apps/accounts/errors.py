"""What can be wrong with an account, a token or a sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

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
    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message, code="account_invalid", status=400, remedy=remedy)


class AccountUnknown(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "There is no such account.",
            code="account_unknown",
            status=404,
            remedy="It is on the page of people, if it still exists.",
        )


class LastAdministrator(PortalError):
    """Nobody would be left who could undo it."""

    def __init__(self) -> None:
        super().__init__(
            "This is the only administrator who can sign in.",
            code="last_administrator",
            status=409,
            remedy="Give somebody else that role first.",
        )


class NotYourself(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "You can't take your own role or access away.",
            code="not_yourself",
            status=409,
            remedy="Ask another administrator.",
        )


class TokenUnknown(PortalError):
    def __init__(self) -> None:
        super().__init__("There is no such token.", code="token_unknown", status=404)


class TokenInvalid(PortalError):
    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, code="token_invalid", status=400, extra={"field": field})


class FreshSignInNeeded(PortalError):
    """A page goes to the confirmation and comes back; the API says where that is."""

    def __init__(self) -> None:
        where = reverse("confirm")
        super().__init__(
            "This asks for your password again, because you gave it a while ago.",
            code="fresh_sign_in_needed",
            status=403,
            remedy=f"Confirm at {where} in this browser that it is you, and send the same again; "
            "or use a token of the scope operate.",
            extra={"confirm_url": where},
        )
