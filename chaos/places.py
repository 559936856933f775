"""The places where faults happen, with everything that they need; and their end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from apps.runtime.simulated import SimOptions, SimulatedCluster
from chaos.faults import Place
from chaos.simulated import NODES, SimPlace
from chaos.site import Site
from demo.local_cluster import LocalCluster
from demo.runtimes import DEMO_VERSION, runtime_install

DISK_MB = 700


@contextlib.contextmanager
def real_place(directory: Path) -> Iterator[Place]:
    """Four real nodes on loopback, which jobs may stop and start without SSH."""
    clio_run = runtime_install(DEMO_VERSION)
    with (
        LocalCluster(
            directory / "cluster", clio_run=clio_run, env={"CTP_LOG_LEVEL": "error"}
        ) as cluster,
        small_disk(directory / "disk") as disk,
    ):
        assert cluster.hostfile is not None
        given = {"CLIO_PORTAL_ACCESS_FILE": str(cluster.access_file_write())}
        with Site(
            directory / "site",
            hostfile=cluster.hostfile,
            targets=[node.target for node in cluster.nodes],
            given=given,
            postgres_at=disk,
        ) as site:
            yield Place(site, cluster)


@contextlib.contextmanager
def simulated_place(directory: Path) -> Iterator[SimPlace]:
    with SimulatedCluster(SimOptions(nodes=NODES, port=0)) as sim:
        hostfile = directory / "hostfile"
        hostfile.write_text("".join(f"{target.address}\n" for target in sim.targets()))
        with Site(
            directory / "simulated", hostfile=hostfile, targets=sim.targets(), compare=False
        ) as site:
            yield SimPlace(site, sim)


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Path | None]:
    """A file system of its own for the database, so that it can be full; root only."""
    path.mkdir()
    if os.geteuid() != 0:
        yield None
        return
    size = f"size={DISK_MB}m,mode=755"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)], check=False)
    if done.returncode:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)
