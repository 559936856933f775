"""People for tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.sessions import FRESH, SEEN
from apps.common.time import utc_now

PASSWORD = "correct horse battery staple"


def person_make(role: Role | None) -> User:
    """Signs in as the role's name (or ``nobody``) with PASSWORD."""
    user = User.objects.create_user(role.value if role else "nobody", password=PASSWORD)
    if role is not None:
        user.groups.add(Group.objects.get(name=role.value))
    return user


def signed_in(user: User, **client: Any) -> Client:
    """A browser that has just given the password."""
    made = Client(**client)
    made.force_login(user, backend="apps.accounts.backends.PortalBackend")
    session = made.session
    session[SEEN] = session[FRESH] = int(utc_now().timestamp())
    session.save()
    return made
