"""What six releases of the real runtime answered: the bodies of every recorded exchange."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent.parent / "vectors"
RELEASES = ("2.0.0", "2.1.0", "2.2.0", "2.2.1", "2.3.1", "2.3.2", "2.3.2-cluster4")


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """One container's part of one recorded answer, and what it was recorded to say."""

    release: str
    query: str
    container_id: int
    data: bytes
    says: Any

    def __str__(self) -> str:
        return f"{self.release}-{self.query}-{self.container_id}"


def recorded_parts() -> list[RecordedPart]:
    parts = []
    for release in RELEASES:
        recording = json.loads((VECTORS / f"{release}.json").read_text())
        for exchange in recording["exchanges"]:
            answer = exchange.get("reply_decoded") or {}
            for container_id, data in (answer.get("results_hex") or {}).items():
                parts.append(
                    RecordedPart(
                        release=release,
                        query=exchange["request_decoded"]["query"],
                        container_id=int(container_id),
                        data=bytes.fromhex(data),
                        says=answer["results"][container_id],
                    )
                )
    return parts
