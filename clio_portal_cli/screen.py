"""Where things are written: results to stdout, everything said along the way to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from clio_portal_cli import text


class Screen:
    """`as_json`: results are JSON and nothing else goes to stdout."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        self.is_terminal = self._out.isatty() and not plain
        self._lively = self._err.isatty() and not plain
        self._passing = False

    def result(self, body: Any, shown: str) -> None:
        """`body` for scripts, `shown` for people."""
        if self.as_json:
            self.json(body)
        else:
            self.write(text.coloured(shown) if self.is_terminal else shown)

    def json(self, body: Any, *, line: bool = False) -> None:
        """`line`: one line, for a stream of them."""
        self.write(json.dumps(body, indent=None if line else 2) + "\n")

    def write(self, shown: str) -> None:
        self.clear_passing()
        self._out.write(shown)
        self._out.flush()

    def say(self, sentence: str) -> None:
        """To stderr, unless --quiet."""
        if not self._quiet:
            self.complain(sentence)

    def complain(self, sentence: str) -> None:
        self.clear_passing()
        self._err.write(f"{sentence}\n")
        self._err.flush()

    def passing(self, sentence: str) -> None:
        """Progress that the next line replaces; only where somebody looks."""
        if self._lively and not self._quiet:
            self._err.write(f"\r\x1b[K{sentence}")
            self._err.flush()
            self._passing = True

    def clear_passing(self) -> None:
        if self._passing:
            self._err.write("\r\x1b[K")
            self._err.flush()
            self._passing = False

    def fresh_page(self) -> None:
        """Begin at the top of an empty screen."""
        self._out.write("\x1b[H\x1b[2J")
