"""Gentle load on the demo's nodes, so that its numbers move."""

import itertools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo import node_config, processes
from demo.local_cluster import LocalNode

# Some tenths of a second of work every few seconds: a few per cent of a core.
PAUSE_S = 2.0
BURST_S = "0.2"
BURST_TIMEOUT_S = 20.0


class DemoLoad:
    """Runs the wheel's own benchmarks in short bursts on one node after the other."""

    def __init__(self, nodes: Sequence[LocalNode], directory: Path) -> None:
        self._nodes = nodes
        self._directory = directory
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="demo-load", daemon=True)

    def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def close(self) -> None:
        """End the load, with the burst that runs."""
        self._stop.set()
        if process := self._process:
            processes.group_signal(process.pid, signal.SIGKILL)
        if self._thread.is_alive():
            self._thread.join(timeout=BURST_TIMEOUT_S)

    def _run(self) -> None:
        for node, command in itertools.cycle(self._bursts()):
            if self._stop.wait(PAUSE_S):
                return
            # A burst on a node that is down or hangs would only wait.
            if node.is_ready() and not self._stop.is_set():
                self._burst(node, command)

    def _bursts(self) -> Iterator[tuple[LocalNode, list[str]]]:
        for pool_id in (node_config.RAM_BDEV_POOL_ID, node_config.FILE_BDEV_POOL_ID):
            for node in self._nodes:
                yield node, self._bdev_command(pool_id)
                if node.has_cte:
                    yield node, ["clio_cte_bench", "PutGet", "1", "2", "64k", "8"]

    def _bdev_command(self, pool_id: str) -> list[str]:
        command = ["clio_run_thrpt_bench", "--test-case", "bdev_io", "--threads", "1"]
        command += ["--duration", BURST_S, "--io-size", "64k", "--max-file-size", "4m"]
        return [*command, "--pool-id", pool_id, "--output-dir", str(self._directory)]

    def _burst(self, node: LocalNode, command: list[str]) -> None:
        program = node.clio_run.with_name(command[0])
        polite = [nice, "-n", "19"] if (nice := shutil.which("nice")) else []
        self._process = processes.process_spawn(
            [*polite, program, *command[1:]],
            env=node.env,
            cwd=self._directory,
            log=Path(os.devnull),
        )
        try:
            self._process.wait(timeout=BURST_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            processes.popen_stop(self._process, grace_s=0)
        finally:
            self._process = None
