"""`python -m demo`: a real cluster on this machine with the portal on it; `… stop` ends it."""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from demo.local_cluster import NodeStartError
from demo.portal import PortalError
from demo.ports import PortsBusyError
from demo.processes import processes_stop
from demo.runtimes import RuntimeInstallError
from demo.session import DemoError, DemoSession, leftovers_stop
from demo.state import DemoState, demo_lock, state_read, state_write

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_DIRECTORY = REPOSITORY / "var" / "demo"
WATCH_S = 0.5
STOP_TIMEOUT_S = 45.0
MAX_NODES = 32
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_ERRORS = (DemoError, NodeStartError, PortalError, PortsBusyError, RuntimeInstallError)


class StopAsked(BaseException):
    """Ctrl-C or a signal asked the demo to stop."""


def say(text: str) -> None:
    # Whoever read our output may be gone (a closed terminal): stopping goes on all the same.
    with contextlib.suppress(OSError):
        print(text, flush=True)


def _signals_raise() -> None:
    """Raise StopAsked at the first signal; the later ones change nothing."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        for other in STOP_SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        raise StopAsked(number)

    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)


def _banner(state: DemoState, nodes: int, state_file: Path) -> str:
    kind = "SIMULATED nodes" if state.simulated else "real CLIO nodes"
    network = (
        ""
        if state.simulated or nodes == 1
        else "\n  The nodes' own client ports listen on all addresses and ask for no password \n"
        "  (the runtime's way): don't run this on a network that you don't trust.\n"
    )
    return (
        f"\nCLIO Portal watches {nodes} {kind} on this machine.\n\n"
        f"  Address   {state.url}\n"
        f"  Sign in   {state.username}  {state.password}\n"
        f"{network}\n"
        f"  Ctrl-C here or `make demo-stop` stops all of it. Also in {state_file} (with an\n"
        "  API token).\n"
    )


def demo_run(options: argparse.Namespace, state_file: Path) -> int:
    """0 after a stop that was asked for, 1 when the demo could not start or go on."""
    with demo_lock(state_file.with_suffix(".lock")) as ours:
        if not ours:
            url = state_read(state_file).url or "an address that it will print"
            say(f"The demo already runs, at {url}. `make demo-stop` stops it.")
            return 1
        session = DemoSession(
            directory=options.directory,
            state_file=state_file,
            port=options.port,
            nodes=options.nodes,
            simulated=options.simulated,
            say=say,
        )
        _signals_raise()
        try:
            session.start()
            say(_banner(session.state, options.nodes, state_file))
            while not (ended := session.ended()):
                time.sleep(WATCH_S)
            say(ended)
            return 1
        except START_ERRORS as error:
            say(str(error))
            return 1
        except StopAsked:
            say("\nStopping …")
            return 0
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            session.close()
            say("The demo has stopped.")


def demo_stop(directory: Path, state_file: Path) -> int:
    """Stop the demo, wherever it was started from. 0 also when none runs."""
    state = state_read(state_file)
    count = 0
    starter = [process for process in state.processes if process.name == "starter"]
    alive = [living for part in starter if (living := part.identity.process())]
    # The starter stops all the others in order.
    count += processes_stop(alive, grace_s=STOP_TIMEOUT_S)
    left = [living for part in state.processes if (living := part.identity.process())]
    count += processes_stop(left, grace_s=STOP_TIMEOUT_S)
    count += leftovers_stop(directory)
    if state.processes and state_file.exists():
        state = state_read(state_file)
        state.processes = []
        state_write(state_file, state)
    say("The demo has stopped." if count else "The demo does not run.")
    return 0


def _number(low: int, high: int, what: str) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no {what}: a number from {low} to {high}"
            )
        return int(text)

    return number


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("action", nargs="?", choices=("start", "stop"), default="start")
    parser.add_argument("--port", type=_number(1, 65535, "port"), default=5000)
    parser.add_argument("--nodes", type=_number(1, MAX_NODES, "count of nodes"), default=4)
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY, help="its data")
    parser.add_argument("--simulated", action="store_true", help="no real nodes")
    options = parser.parse_args(argv)
    state_file = options.directory.with_suffix(".json")
    if options.action == "stop":
        return demo_stop(options.directory, state_file)
    return demo_run(options, state_file)


if __name__ == "__main__":
    sys.exit(main())
