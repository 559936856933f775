"""Whether a node is ready: it answers, and every pool of its configuration lives."""

import threading
from collections.abc import Set as AbstractSet

from apps.runtime.client import ClientOptions
from apps.runtime.errors import RuntimeFailure
from apps.runtime.queries import containers_read
from apps.runtime.types import Target, WireGeneration
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.detection import DetectionTimes

ANSWER_TIMEOUT_S = 3.0
# We know the release, so its silence to another generation's greeting need not be waited out.
DETECTION_TIMES = DetectionTimes(answer_s=0.5, pause_s=0.1)


def wire_generation(version: tuple[int, ...]) -> WireGeneration:
    """The generation that a release of iowarp-core speaks."""
    if version < (2, 2):
        return WireGeneration.V2_0
    return WireGeneration.V2_2 if version < (2, 3) else WireGeneration.V2_3


class Probe:
    """Asks nodes of one known release over one long-lived connection each.

    The release is known because we started it, so nothing is sent that it could not read.
    """

    def __init__(self, version: tuple[int, ...]) -> None:
        self._options = ClientOptions(generation=wire_generation(version), handshake_s=1.0)
        self._client: WireClient | None = None
        self._lock = threading.Lock()

    def is_ready(self, target: Target, pool_ids: AbstractSet[str]) -> bool:
        """Whether the node answers and has all these pools."""
        with self._lock:
            if self._client is None:
                self._client = WireClient(self._options, detection_times=DETECTION_TIMES)
            client = self._client
        try:
            containers = containers_read(client, target, deadline_s=ANSWER_TIMEOUT_S)
        except RuntimeFailure:
            return False
        return pool_ids <= {container.pool_id for container in containers}

    def close(self) -> None:
        """Drop the connections; a later question makes new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client:
            client.close()
