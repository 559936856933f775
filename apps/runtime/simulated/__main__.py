"""Run a SIMULATED cluster, or set faults on one that runs.

python -m apps.runtime.simulated --nodes 1000 --seed 7 --hostfile-out var/sim/hostfile
python -m apps.runtime.simulated ctl var/sim/control.sock fault 3 slow seconds=2
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apps.runtime.simulated.control import ControlServer, control_ask
from apps.runtime.simulated.faults import Fault
from apps.runtime.simulated.files import config_text, hostfile_text, text_write
from apps.runtime.simulated.options import (
    DEFAULT_PORT,
    Placement,
    SimOptions,
    placement_default,
)
from apps.runtime.simulated.profile import Fleet
from apps.runtime.simulated.server import SimulatedCluster
from apps.runtime.types import WireGeneration

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """0: stopped by a signal; 1: a port or file could not be had; 2: wrong arguments."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["ctl"]:
        return _ctl(given[1:])
    parser = _parser()
    parsed = parser.parse_args(given)
    try:
        options = _options(parsed)
    except ValueError as error:
        parser.error(str(error))
    return _serve(options, parsed)


def _serve(options: SimOptions, parsed: argparse.Namespace) -> int:
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    cluster = SimulatedCluster(options)
    try:
        cluster.start()
    except OSError as error:
        _say(f"The simulated cluster can't start: {error}", error=True)
        return EXIT_FAILED
    try:
        control = None if parsed.control is None else ControlServer(cluster, parsed.control)
        _files_write(cluster, parsed)
    except OSError as error:
        _say(f"The simulated cluster can't write its files: {error}", error=True)
        cluster.stop()
        return EXIT_FAILED
    first, last = cluster.target(0), cluster.target(options.nodes - 1)
    _say(
        f"SIMULATED cluster, no real CLIO Runtime: {options.nodes} nodes of generation "
        f"{options.generation}, seed {options.seed}, {first.address} to {last.address}. "
        "Ctrl-C or SIGTERM stops it."
    )
    done.wait()
    if control is not None:
        control.close()
    cluster.stop()
    _say("The simulated cluster has stopped.")
    return EXIT_OK


def _files_write(cluster: SimulatedCluster, parsed: argparse.Namespace) -> None:
    targets = cluster.targets()
    hostfile = parsed.hostfile_out
    if hostfile is not None:
        text_write(hostfile, hostfile_text(targets))
    named = "" if hostfile is None else str(hostfile.resolve())
    text = config_text(cluster.options, targets, named)
    if parsed.config_out is not None:
        text_write(parsed.config_out, text)
    if parsed.print_config:
        _say(text)


def _options(parsed: argparse.Namespace) -> SimOptions:
    return SimOptions(
        nodes=parsed.nodes,
        seed=parsed.seed,
        generation=WireGeneration(parsed.generation),
        placement=Placement(parsed.placement),
        host=parsed.host,
        port=parsed.port,
        port_step=parsed.port_step,
        ring_length=parsed.ring_length,
        uptime_s=parsed.uptime,
        fleet=Fleet(
            gpu_share=parsed.gpu_share,
            smart_share=parsed.smart_share,
            failing_share=parsed.failing_share,
            workers=parsed.workers,
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m apps.runtime.simulated",
        description="A SIMULATED cluster of CLIO Runtimes, for tests and demonstrations. "
        "It speaks the real wire protocol; its figures are made up from a seed.",
        epilog="To set faults on a running one: python -m apps.runtime.simulated ctl --help",
    )
    add = parser.add_argument
    add("--nodes", type=int, default=4, help="how many nodes (default 4)")
    add("--seed", type=int, default=7, help="what hardware and load follow from (default 7)")
    add("--generation", default="2.3", choices=[item.value for item in WireGeneration])
    add(
        "--placement",
        default=placement_default().value,
        choices=[item.value for item in Placement],
        help="a loopback address for each node, or a port for each (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="the host, with --placement ports")
    add("--port", type=int, default=DEFAULT_PORT, help="networking.port; 0: any (%(default)s)")
    add("--port-step", type=int, default=10, help="from node to node, with --placement ports")
    add("--ring-length", type=int, default=1_100, help="samples a node keeps (default 1100)")
    add("--uptime", type=float, default=60.0, help="seconds the nodes have been up (default 60)")
    add("--workers", type=int, default=4, help="worker threads of a node at its start")
    add("--gpu-share", type=_share, default=0.25, help="share of nodes with GPUs and HBM")
    add("--smart-share", type=_share, default=0.6, help="share of drives with SMART data")
    add("--failing-share", type=_share, default=0.05, help="share of those about to fail")
    add("--hostfile-out", type=Path, metavar="PATH", help="write the host file there")
    add("--config-out", type=Path, metavar="PATH", help="write the configuration (YAML) there")
    add("--print-config", action="store_true", help="print the configuration as well")
    add("--control", type=Path, metavar="PATH", help="take faults on this UNIX socket")
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"a share is 0..1, got {text}")
    return value


# --- the other end of --control ---------------------------------------------------------


def _ctl(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m apps.runtime.simulated ctl",
        description="Set and clear faults of a running SIMULATED cluster.",
        epilog=f"Faults: {', '.join(Fault)}. Parameters as name=value, e.g. seconds=2.",
    )
    parser.add_argument("socket", type=Path, help="what the cluster was given as --control")
    parser.add_argument("do", choices=("fault", "clear", "restart", "stop", "status"))
    parser.add_argument(
        "node", nargs="?", help="node ids with commas; only status may leave it out"
    )
    parser.add_argument("rest", nargs="*", metavar="FAULT|name=value")
    parsed = parser.parse_args(given)
    try:
        answer = control_ask(parsed.socket, _ctl_request(parsed))
    except (OSError, ValueError) as error:
        _say(f"Can't reach a simulated cluster at {parsed.socket}: {error}", error=True)
        return EXIT_FAILED
    _say(json.dumps(answer, indent=2), error=not answer["ok"])
    return EXIT_OK if answer["ok"] else EXIT_FAILED


def _ctl_request(parsed: argparse.Namespace) -> dict[str, Any]:
    request: dict[str, Any] = {"do": parsed.do}
    if parsed.node is not None:
        request["node"] = parsed.node.split(",")
    for word in parsed.rest:
        name, equals, value = word.partition("=")
        request.update({name: value} if equals else {"fault": name})
    return request


def _say(text: str, *, error: bool = False) -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
