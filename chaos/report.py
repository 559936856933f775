"""One line of the table for each fault: what was seen, and whether all that is asked held."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from apps.runtime.errors import RuntimeFailure
from chaos.site import Site, manage_failed

HEAD = (
    "| fault | what people see | right again | wrong numbers | samples | actions | audit chain |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    line: str
    failure: str = ""


def outcome_of(site: Site, title: str, harm: Callable[[], str]) -> Outcome:
    """Do it, and look at everything that must hold afterwards."""
    _say(f"— {title}")
    with contextlib.suppress(TimeoutError):  # what the one before has left, if it failed
        site.right()
    site.observer.wrong.clear()
    looks, jobs = site.observer.looks, set(site.jobs)
    began = time.monotonic()
    try:
        seen = harm()
        back_s = site.right()
        samples = site.samples_whole()
        site.history_whole()
        audit = site.audit_intact()
        actions = _actions(site, set(site.jobs) - jobs)
        if site.observer.wrong:
            raise AssertionError("; ".join(site.observer.wrong))
    except subprocess.CalledProcessError as error:
        return _failed(title, manage_failed(error))
    except (AssertionError, OSError, psycopg.Error, RuntimeError, RuntimeFailure) as error:
        return _failed(title, str(error))
    looks = site.observer.looks - looks
    line = f"| {title} | {seen} | {back_s:.0f} s | none in {looks} looks | {samples} | {actions} |"
    line += f" {audit} |"
    _say(f"{line}  ({time.monotonic() - began:.0f} s)")
    return Outcome(line)


def _actions(site: Site, reasons: set[str]) -> str:
    """Each job that was launched is there once, began at most once, and has ended."""
    ended = [site.job_ends(reason) for reason in reasons]
    return f"{len(ended)} launched, {len(ended)} ended, none twice" if ended else "—"


def _failed(title: str, why: str) -> Outcome:
    _say(f"FAILED: {title}: {why}")
    return Outcome(f"| {title} | **failed**: {why[:300]} | | | | | |", failure=why)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
