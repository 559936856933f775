"""A SIMULATED cluster of CLIO Runtimes: a test and demonstration tool, no storage system.

A server that speaks the wire protocol of all three generations for any number
of nodes in one process. Figures are pure functions of seed, node and time.

**How to tell**: every map that names a node (`get_host_info`, each entry of
`system_stats`) carries `SIMULATED_KEY` ("simulated": true). No real runtime
sends it; the decoder keeps it in `HostInfo.extra` and `SystemSample.extra`.
Whoever shows such a node to a person says that it is simulated.

    with SimulatedCluster(SimOptions(nodes=4, port=0)) as sim:
        client.monitor(sim.target(2), "worker_stats")
        sim.node(2).fault(Fault.SLOW, seconds=3.0)
        sim.node(2).restart(down_s=1.0)
        assert sim.node(2).sim.seen.legacy_frames == 0
"""

from apps.runtime.simulated.clock import Clock, ManualClock, SystemClock
from apps.runtime.simulated.faults import HOSTILE, LIES, Fault
from apps.runtime.simulated.figures import SIMULATED_KEY
from apps.runtime.simulated.handle import NodeHandle
from apps.runtime.simulated.node import Condition, SimNode
from apps.runtime.simulated.options import Placement, SimOptions
from apps.runtime.simulated.profile import Fleet
from apps.runtime.simulated.server import SimulatedCluster

__all__ = [
    "HOSTILE",
    "LIES",
    "SIMULATED_KEY",
    "Clock",
    "Condition",
    "Fault",
    "Fleet",
    "ManualClock",
    "NodeHandle",
    "Placement",
    "SimNode",
    "SimOptions",
    "SimulatedCluster",
    "SystemClock",
]
