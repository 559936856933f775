"""`python -m demo.account USERNAME TOKEN_NAME`: prepare the portal's database for the demo.

One process for what `manage.py migrate` and `manage.py portal_account` do, because each start of
Django costs seconds. Reads the password from standard input; prints the account as JSON.
"""

import os
import sys

import django
from django.core.management import call_command


def main(username: str, token_name: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    call_command(
        "portal_account",
        username=username,
        role="administrator",
        password_stdin=True,
        token_name=token_name,
        json=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
