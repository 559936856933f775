"""One module for each group of commands; each command is a function of a Call."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from clio_portal_cli.client import Portal
from clio_portal_cli.errors import Exit
from clio_portal_cli.screen import Screen


@dataclass(frozen=True, slots=True)
class Call:
    """One command with its arguments, the portal that it asks, and where it writes."""

    options: argparse.Namespace
    portal: Portal
    screen: Screen


Command = Callable[[Call], Exit]
