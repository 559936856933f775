"""Coming and going: login, logout."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from urllib.parse import urlsplit

from clio_portal_cli.client import Portal
from clio_portal_cli.credentials import (
    DEFAULT_URL,
    URL,
    Credentials,
    store_path,
    store_write,
    token_clean,
    url_check,
)
from clio_portal_cli.errors import Exit
from clio_portal_cli.screen import Screen

LOCAL = ("localhost", "127.0.0.1", "::1")


def login(options: argparse.Namespace, screen: Screen) -> Exit:
    """Try the token, then keep it with the address. Raises CliError."""
    url = url_check(options.address or options.url or os.environ.get(URL) or DEFAULT_URL)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        screen.complain(f"Beware: {url} is not encrypted; others on the way can read the token.")
    if options.token_stdin or not sys.stdin.isatty():
        given = sys.stdin.readline()
    else:
        screen.complain(f"A token for {url} (the portal makes them under your profile).")
        given = getpass.getpass("Token: ")
    credentials = Credentials(url, token_clean(given, where="the input"))
    Portal(credentials, say=screen.say).get("/api/")
    path = store_path(os.environ)
    store_write(path, credentials)
    screen.result({"url": url, "file": str(path)}, f"Logged in to {url}; kept in {path}.\n")
    return Exit.OK


def logout(options: argparse.Namespace, screen: Screen) -> Exit:
    """Forget it here. The token itself lives on until somebody revokes it in the portal."""
    path = store_path(os.environ)
    there = path.exists()
    path.unlink(missing_ok=True)
    shown = (
        "Forgotten here; to end the token itself, revoke it in the portal.\n"
        if there
        else "Nobody was logged in.\n"
    )
    screen.result({"forgotten": there}, shown)
    return Exit.OK
