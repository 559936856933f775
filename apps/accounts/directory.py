"""Signing in with a name and password of a directory (LDAP)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_auth_ldap.backend import LDAPBackend, ldap_error

from apps.accounts.backends import PortalBackend
from apps.accounts.models import User
from apps.accounts.services.sso import NO_GROUP, SignInRefused, role_missing, sso_account
from apps.common.time import utc_now

UNREACHABLE = (
    "The directory of people does not answer at present, so that only accounts of the portal "
    "itself can sign in. Try again later."
)
NAMES = {"first_name": "givenname", "last_name": "sn", "email": "mail"}


class DirectoryBackend(LDAPBackend):  # type: ignore[misc]
    """The directory checks the password; the account, its role and sessions are the portal's."""

    def get_user(self, user_id: Any) -> User | None:
        return PortalBackend().get_user(user_id)

    def get_all_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """None of its own: what an account may do, the portal's own backend says."""
        return set()

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        """Called when the password was right. Refuses by the library's own exception."""
        attributes = ldap_user.attrs or {}
        own_name = (attributes.get(settings.PORTAL_LDAP_NAME) or [username])[0]
        try:
            user = sso_account(
                source=User.Source.LDAP,
                # As the directory writes it: it takes many spellings for the same.
                username=own_name.lower(),
                names={
                    field: (attributes.get(attribute) or [""])[0]
                    for field, attribute in NAMES.items()
                },
                groups=groups_of(ldap_user),
                at=utc_now(),
            )
            if role_missing(user):
                raise SignInRefused(NO_GROUP)
        except SignInRefused as refusal:
            problem_note(ldap_user._request, str(refusal))
            raise ldap_user.AuthenticationFailed(str(refusal)) from refusal
        return user, False


def groups_of(ldap_user: Any) -> set[str]:
    """Names and DNs of the groups; none where the site has not said where groups are."""
    if getattr(settings, "AUTH_LDAP_GROUP_SEARCH", None) is None:
        return set()
    return set(ldap_user.group_names) | set(ldap_user.group_dns)


def problem_note(request: HttpRequest | None, sentence: str) -> None:
    """For the sign-in page, which otherwise could only say that the password is wrong."""
    if request is not None:
        request.portal_sign_in_problem = sentence  # type: ignore[attr-defined]


def _unreachable(sender: Any, request: HttpRequest | None = None, **more: Any) -> None:
    problem_note(request, UNREACHABLE)


# The library keeps such errors to itself and tells them by this signal only.
ldap_error.connect(_unreachable, dispatch_uid="apps.accounts.directory")
