"""Sign in a number of viewers, without their passwords, and print each one's Cookie header.

python -m bench.scale_sessions COUNT      (in the environment of the portal to measure)
"""

from __future__ import annotations

import os
import sys

import django


def main(count: int) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
    django.setup()
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from apps.accounts.models import User
    from apps.accounts.roles import Role
    from apps.accounts.services import account_role_set
    from apps.audit.services import Actor
    from apps.common.time import utc_now

    store = import_module(settings.SESSION_ENGINE).SessionStore
    for number in range(count):
        user = User.objects.create_user(f"viewer-{number}")
        account_role_set(user, role=Role.VIEWER, actor=Actor(None, "bench"), at=utc_now())
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
