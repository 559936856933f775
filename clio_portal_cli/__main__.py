"""``clio-portal``: one command, one exit code."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence

from clio_portal_cli.arguments import parser_make
from clio_portal_cli.client import Portal
from clio_portal_cli.commands import Call, door
from clio_portal_cli.credentials import credentials_find
from clio_portal_cli.errors import CliError, Exit
from clio_portal_cli.screen import Screen
from clio_portal_cli.text import plain

TIME_BACK = re.compile(r"-\d.*")
DOORS = {"login": door.login, "logout": door.logout}


def main(argv: Sequence[str] | None = None) -> int:
    options = parser_make().parse_args(times_joined(sys.argv[1:] if argv is None else argv))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no word for "—"
    screen = Screen(as_json=options.json, quiet=options.quiet)
    try:
        if options.command in DOORS:
            return DOORS[options.command](options, screen)
        credentials = credentials_find(
            url=options.url, token_file=options.token_file, environment=os.environ
        )
        return int(options.run(Call(options, Portal(credentials, say=screen.say), screen)))
    except CliError as error:
        _complain(screen, error)
        return error.exit_code
    except KeyboardInterrupt:
        screen.clear_passing()
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def times_joined(argv: Sequence[str]) -> list[str]:
    """``--from -6h`` as ``--from=-6h``: to argparse, what begins with a dash is an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in ("--from", "--to") and TIME_BACK.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _complain(screen: Screen, error: CliError) -> None:
    screen.complain(f"clio-portal: {plain(error.message, most=1000)}")
    for line in error.remedy.splitlines():
        screen.complain(f"  {plain(line, most=1000)}")


if __name__ == "__main__":
    sys.exit(main())
