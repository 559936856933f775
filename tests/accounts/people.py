"""People for tests."""

from __future__ import annotations

from django.contrib.auth.models import Group

from apps.accounts.models import User
from apps.accounts.roles import Role

PASSWORD = "correct horse battery staple"


def person_make(role: Role | None) -> User:
    """Signs in as the role's name (or ``nobody``) with PASSWORD."""
    user = User.objects.create_user(role.value if role else "nobody", password=PASSWORD)
    if role is not None:
        user.groups.add(Group.objects.get(name=role.value))
    return user
