"""Kill, stop and starve the portal's parts, and print what people saw of it.

    python -m chaos                     all faults
    python -m chaos node-killed silent  some
    python -m chaos soak --seconds 1800 kills every minute

Real nodes, real gunicorn, Celery workers and beats, a PostgreSQL and a Redis of the run's own.
Prints the table of docs/reliability.md. Exit code 1 when something that is asked for does not
hold.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from pathlib import Path

import chaos.node_faults  # noqa: F401 - adds its faults
from chaos.faults import FAULTS
from chaos.places import real_place, simulated_place
from chaos.processes import end_in_order
from chaos.report import HEAD, Outcome, outcome_of
from chaos.simulated import SIMULATED
from chaos.soak import soak

NAMES = [*FAULTS, *SIMULATED]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="FAULT", help=", ".join([*NAMES, "soak"]))
    parser.add_argument("--seconds", type=float, default=1800.0, help="of the soak")
    parser.add_argument("--seed", type=int, default=7, help="of the soak's choices")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two kills")
    given = parser.parse_args()
    end_in_order()
    unknown = set(given.names) - {*NAMES, "soak"}
    if unknown:
        parser.error(f"there is no fault {sorted(unknown)}; there are {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="clio-chaos-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL's own user passes through
        if "soak" in given.names:
            with real_place(directory) as place:
                return soak(place, seconds=given.seconds, every_s=given.every, seed=given.seed)
        outcomes = _run(directory, given.names or NAMES)
    print("\n".join([HEAD, *(outcome.line for outcome in outcomes)]))
    return int(any(outcome.failure for outcome in outcomes))


def _run(directory: Path, names: list[str]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    real = [name for name in FAULTS if name in names]
    if real:
        with real_place(directory) as place:
            for name in real:
                title, harm = FAULTS[name]
                outcomes.append(outcome_of(place.site, title, functools.partial(harm, place)))
    simulated = [name for name in SIMULATED if name in names]
    if simulated:
        with simulated_place(directory) as at:
            for name in simulated:
                title, sim_harm = SIMULATED[name]
                outcomes.append(outcome_of(at.site, title, functools.partial(sim_harm, at)))
    return outcomes


if __name__ == "__main__":
    raise SystemExit(main())
