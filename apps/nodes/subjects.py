"""How nodes and their parts are named in the history, which knows no nodes.

A key begins with the node's primary key, which a node keeps when its line in the host list
changes or goes; so its history stays its own.
"""

from __future__ import annotations

from apps.history.types import SubjectRef

NODE = "node"
WORKER = "worker"
BLOCK_DEVICE = "block_device"

_PART_OF = {WORKER: "worker", BLOCK_DEVICE: "bdev"}


def node_subject(node_pk: int) -> SubjectRef:
    return SubjectRef(NODE, str(node_pk))


def worker_subject(node_pk: int, worker_id: int) -> SubjectRef:
    return SubjectRef(WORKER, f"{node_pk}/worker/{worker_id}")


def device_subject(node_pk: int, pool_id: str) -> SubjectRef:
    """Pool ids are short; a longer one is cut, so that it can be stored."""
    return SubjectRef(BLOCK_DEVICE, f"{node_pk}/bdev/{pool_id[:80]}")


def subject_node_pk(subject: SubjectRef) -> int | None:
    """The node that a subject is, or belongs to; ``None`` for the portal itself."""
    pk = subject.key.partition("/")[0]
    return int(pk) if pk.isascii() and pk.isdigit() else None


def subject_part(subject: SubjectRef) -> str:
    """``3`` of worker 3, ``301.0`` of a block device, empty for a whole node."""
    return subject.key.split("/", 2)[2] if subject.kind in _PART_OF else ""
