"""Known vulnerabilities of every package in constraints.txt: `audit.py [--required] [ARGS…]`.

pip-audit takes a service that knows nothing for one that found nothing. So an old release with
published vulnerabilities is looked up first: where the service does not know those, nothing is
said of ours. That is a note, exit 0; with `--required`, exit 2. Vulnerabilities are exit 1.
ARGS go to pip-audit: `--vulnerability-service osv`, say.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KNOWN_TO_BE_VULNERABLE = "jinja2==2.4.1"
"""CVE-2019-10906 and others."""
LIMIT_S = 300
VULNERABLE, NOT_KNOWN = 1, 2


class NoAnswer(Exception):
    """pip-audit had nothing to say; the message ends with what it wrote instead."""


def audit(requirements: Path, more: Sequence[str]) -> list[dict[str, Any]]:
    """pip-audit's entries: `name`, `version` and `vulns`, or `name` and `skip_reason`."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format=json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner=off", "-r", str(requirements), *more],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        entries: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"pip-audit did not end within {LIMIT_S} s.") from error
    except (ValueError, KeyError, TypeError) as error:
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise NoAnswer(f"pip-audit ended with exit code {done.returncode}: {last}") from error
    return entries


def service_check(more: Sequence[str]) -> None:
    """Raises NoAnswer where the service does not know what everybody knows."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old.txt"
        old.write_text(f"{KNOWN_TO_BE_VULNERABLE}\n")
        entries = audit(old, more)
    if not any(entry.get("vulns") for entry in entries):
        raise NoAnswer(f"The service knows no vulnerability even of {KNOWN_TO_BE_VULNERABLE}.")


def findings(entries: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each vulnerability, and for each package that could not be looked up."""
    lines = []
    for entry in entries:
        if "skip_reason" in entry:
            lines.append(f"{entry['name']}: not looked up: {entry['skip_reason']}")
        for one in entry.get("vulns", ()):
            remedy = ", ".join(one["fix_versions"]) or "no release"
            lines.append(f"{entry['name']} {entry['version']}: {one['id']}, ended by {remedy}")
    return lines


def main(arguments: Sequence[str], requirements: Path = ROOT / "constraints.txt") -> int:
    more = [argument for argument in arguments if argument != "--required"]
    required = len(more) < len(arguments)
    try:
        service_check(more)
        entries = audit(requirements, more)
    except NoAnswer as error:
        print(f"Known vulnerabilities: NOT CHECKED. {error}")
        print("Run `make audit` where the index's vulnerability data can be reached.")
        return NOT_KNOWN if required else 0
    lines = findings(entries)
    print(f"Known vulnerabilities: {len(entries)} packages looked up, {len(lines)} findings.")
    print("".join(f"  {line}\n" for line in lines), end="")
    return VULNERABLE if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
