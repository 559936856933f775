"""The command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from clio_portal_cli import __version__
from clio_portal_cli.commands import Command, act, look, past

DESCRIPTION = "Watch and run a CLIO Runtime cluster through its portal."
EPILOG = (
    "Exit codes: 0 done; 1 the job failed; 2 wrong usage; 3 no portal; 4 not allowed; 5 not "
    "found; 6 conflict; 7 the cluster or node can't be reached; 8 not at its end yet; 9 the "
    "portal failed; 130 interrupted."
)
STATES = ("alive", "suspect", "hung", "down", "unknown")


def parser_make() -> argparse.ArgumentParser:
    common = _common()
    parser = argparse.ArgumentParser(
        prog="clio-portal", description=DESCRIPTION, epilog=EPILOG, parents=[common]
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, what: str, run: Command | None) -> argparse.ArgumentParser:
        found = commands.add_parser(
            name, help=what, description=what, parents=[_common(again=True)]
        )
        found.set_defaults(command=name, run=run)
        return found

    login = add("login", "Try a token and keep it, readable by you alone.", None)
    login.add_argument("address", nargs="?", metavar="URL", help="the portal's address")
    login.add_argument("--token-stdin", action="store_true", help="read the token from stdin")
    add("logout", "Forget the token that login kept.", None)

    nodes = add("nodes", "The nodes with their states and figures.", look.nodes)
    _node_filter(nodes)
    node = add("node", "One node: workers, block devices, containers.", look.node)
    node.add_argument("node", type=_whole, metavar="N", help="the node's id")
    workers = add("workers", "Worker threads.", look.workers)
    workers.add_argument("--node", default="all", help="a node's id, or all (default)")
    add("pools", "Declared and running pools.", look.pools)
    _history(add("history", "Figures over time; without METRIC, what there is.", past.history))
    for action, what in (
        ("shutdown", "Shut a node's runtime down."),
        ("start", "Start a node's runtime."),
        ("restart", "Restart a node's runtime."),
    ):
        _action(add(action, what, act.act), action)
    _jobs(add("jobs", "Control jobs: a list, or one with its output.", act.jobs))
    watch = add("watch", "The nodes again and again; Ctrl-C ends it.", look.watch)
    _node_filter(watch)
    watch.add_argument("--every", type=_seconds, default=2.0, metavar="S", help="seconds (2)")
    watch.add_argument("--count", type=_whole, default=0, metavar="N", help="end after N changes")
    return parser


def _common(*, again: bool = False) -> argparse.ArgumentParser:
    """Options that may stand before and behind the command; the later one wins."""
    default = argparse.SUPPRESS if again else None
    off = argparse.SUPPRESS if again else False
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--url", default=default, help="the portal's address (else CLIO_PORTAL_URL, else login's)")
    add(
        "--token-file",
        type=Path,
        default=default,
        metavar="PATH",
        help="a file with the token, mode 0600 (else CLIO_PORTAL_TOKEN, CLIO_PORTAL_TOKEN_FILE)",
    )
    add("--json", action="store_true", default=off, help="JSON for scripts")
    add("--quiet", action="store_true", default=off, help="say nothing along the way")
    return common


def _node_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "filter", nargs="?", default="", metavar="FILTER", help="ids, ranges, names: 0,2-4,gpu"
    )
    parser.add_argument("--state", default="", metavar="STATE", help=f"of {', '.join(STATES)}")


def _history(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("metric", nargs="?", default="", metavar="METRIC", help="such as system.cpu_usage_pct")
    add("--nodes", default="all", help="ids, ranges, names: 0,2-4,gpu (all)")
    add("--from", dest="start", default="-1h", metavar="T", help="ISO 8601, or such as -6h (-1h)")
    add("--to", dest="end", default="now", metavar="T", help="likewise (now)")
    add("--points", type=_whole, default=60, metavar="N", help="at most so many buckets (60)")
    add("--csv", action="store_true", help="a table of all buckets")


def _action(parser: argparse.ArgumentParser, action: str) -> None:
    parser.set_defaults(action=action)
    add = parser.add_argument
    add("node", type=_whole, metavar="N", help="the node's id")
    add("--reason", default="", help="why; it is kept with the job")
    add("--yes", action="store_true", help="do not ask, and accept the portal's warnings")
    add("--dry-run", action="store_true", help="only show what would be run")
    if action != "status":
        add("--watch", type=_whole, metavar="S", help="seconds the node may take")
    add("--wait", type=_seconds, default=600.0, metavar="S", help="seconds (600); 0: not at all")


def _jobs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("job", nargs="?", type=_whole, metavar="JOB", help="one job, with its output")
    add("--follow", action="store_true", help="wait for its end")
    add("--cancel", action="store_true", help="cancel it")
    add("--status", default="", help="only these: active, failed, …")
    add("--node", type=_whole, metavar="N", help="only of this node")
    add("--limit", type=_whole, default=20, metavar="N", help="at most so many (20)")
    add("--wait", type=_seconds, default=600.0, metavar="S", help="seconds to follow (600)")


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to 86400 seconds")
    return value
