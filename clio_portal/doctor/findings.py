"""What a check found: well, doubtful, wrong, or not looked at because of something before it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `remedy` says what to do, where something is to be done."""

    check: str
    level: Level
    text: str
    remedy: str = ""
    node: str = ""
    """The node's name, where it is about one."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "level": self.level.value}


def ok(check: str, text: str, *, node: str = "") -> Finding:
    return Finding(check, Level.OK, text, node=node)


def warning(check: str, text: str, remedy: str, *, node: str = "") -> Finding:
    return Finding(check, Level.WARNING, text, remedy, node)


def problem(check: str, text: str, remedy: str, *, node: str = "") -> Finding:
    return Finding(check, Level.PROBLEM, text, remedy, node)


def skipped(check: str, text: str, *, node: str = "") -> Finding:
    return Finding(check, Level.SKIPPED, text, node=node)
