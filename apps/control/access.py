"""Which way leads to a node's machine.

From the general to the special: the portal's settings, the access file's defaults, the
cluster's row in the admin site, the node in the access file, the node's row.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from apps.control.access_file import AccessFile, access_file_read
from apps.control.access_parts import (
    AGENT,
    JUMP,
    NONE,
    AccessPart,
    part_fill,
    parts_merge,
)
from apps.control.actions import Step
from apps.control.models.access import ClusterAccess, NodeAccess
from apps.control.remote.types import (
    Access,
    Command,
    HostKeyPolicy,
    JumpHost,
    Method,
    RemoteFailure,
)
from apps.nodes.api.local_node import host_is_local
from apps.nodes.models import Node

LOG_NAME = "clio_run_start.log"
LOG_AT_HOME = f"~/.clio/{LOG_NAME}"
OLD_GENERATION = "2.0"
"""Of the wire protocol: its runtimes are told ``clio_run runtime stop``."""


class AccessNotSet(RemoteFailure):
    def __init__(self, node: Node) -> None:
        super().__init__(
            f"The portal was not told where clio_run is on the machine of {node}.",
            code="access_not_set",
            remedy="Set CLIO_PORTAL_CLIO_RUN, or clio_run in the access settings of the cluster "
            "or the node: the full path on that machine.",
        )


class NotThisMachine(RemoteFailure):
    def __init__(self, node: Node) -> None:
        super().__init__(
            f"{node} is set to be run without SSH, but {node.host} is not this machine.",
            code="not_this_machine",
            remedy="Set its access method to ssh; or list the node under an address of the "
            "portal's machine.",
        )


def access_of(node: Node) -> Access:
    """The way to `node`. Two queries. Raises RemoteFailure when the settings do not make one."""
    if node.node_id is None:
        raise AccessNotSet(node)
    part = part_fill(_merged(node), node_id=node.node_id, host=node.host, port=node.port)
    method = Method(part.method)
    if not part.clio_run:
        raise AccessNotSet(node)
    if method is Method.LOCAL and not host_is_local(node.host):
        raise NotThisMachine(node)
    return Access(
        name=str(node),
        method=method,
        clio_run=part.clio_run,
        subcommand=("runtime",) if node.wire_generation == OLD_GENERATION else (),
        environment=_environment(part, old=node.wire_generation == OLD_GENERATION),
        log_path=part.log_path or _log_path(part),
        host=part.address or node.host,
        port=part.port or 22,
        user=part.user,
        key_file=_key_file(part.key_file),
        jump=_jump(part),
        host_key_policy=HostKeyPolicy(part.host_keys),
        known_hosts=settings.PORTAL_SSH_KNOWN_HOSTS,
    )


def step_command(step: Step, access: Access) -> Command:
    """The command of one step on that machine."""
    env = dict(access.environment)
    if not step.detached:
        # Else some twenty log lines of the command itself surround its answer.
        env.setdefault("CTP_LOG_LEVEL", "error")
    return Command(
        argv=[access.clio_run, *access.subcommand, step.word],
        env=env,
        detached=step.detached,
        log_path=access.log_path if step.detached else None,
    )


def settings_part() -> AccessPart:
    """What the portal's own settings say of all nodes."""
    return AccessPart(
        method=settings.PORTAL_ACCESS_METHOD,
        port=settings.PORTAL_SSH_PORT,
        user=settings.PORTAL_SSH_USER,
        key_file=settings.PORTAL_SSH_KEY_FILE,
        jump=settings.PORTAL_SSH_JUMP,
        jump_key_file=settings.PORTAL_SSH_JUMP_KEY_FILE,
        host_keys=settings.PORTAL_SSH_HOST_KEYS,
        clio_run=settings.PORTAL_CLIO_RUN,
        server_conf=settings.PORTAL_NODE_CONF,
        storage_root=settings.PORTAL_NODE_STORAGE_ROOT,
        log_path=settings.PORTAL_NODE_LOG,
    )


def _merged(node: Node) -> AccessPart:
    path = settings.PORTAL_ACCESS_FILE
    file = access_file_read(Path(path)) if path else AccessFile()
    of_cluster = ClusterAccess.objects.filter(cluster_id=node.cluster_id).first()
    of_node = NodeAccess.objects.filter(node=node).first()
    return parts_merge(
        (
            settings_part(),
            file.defaults,
            *([of_cluster.part] if of_cluster else []),
            *file.parts_of(node_id=node.node_id, host=node.host, port=node.port),
            *([of_node.part] if of_node else []),
        )
    )


def _environment(part: AccessPart, *, old: bool) -> dict[str, str]:
    own = {}
    if part.server_conf:
        own["CLIO_SERVER_CONF"] = part.server_conf
        if old:
            own["CHI_SERVER_CONF"] = part.server_conf
    if part.storage_root:
        own["CLIO_STORAGE_ROOT"] = part.storage_root
    return own | dict(part.environment)


def _log_path(part: AccessPart) -> str:
    return f"{part.storage_root.rstrip('/')}/{LOG_NAME}" if part.storage_root else LOG_AT_HOME


def _key_file(value: str) -> Path | None:
    return Path(value) if value not in ("", AGENT) else None


def _jump(part: AccessPart) -> JumpHost | None:
    match = JUMP.fullmatch(part.jump)
    if part.jump in ("", NONE) or match is None:
        return None
    return JumpHost(
        host=match["host"].strip("[]"),
        port=int(match["port"] or 22),
        user=match["user"] or part.user,
        key_file=_key_file(part.jump_key_file or part.key_file),
    )
