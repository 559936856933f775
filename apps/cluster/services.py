"""Writes on the cluster and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.audit.models import Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.cluster.changes import config_changes
from apps.cluster.discovery import Discovery, discover
from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.cluster.problems import ConfigProblem
from apps.runtime.types import Target


def cluster_ensure(*, at: datetime) -> Cluster:
    """The cluster that this portal watches, made when there is none yet. Idempotent."""
    cluster = Cluster.objects.order_by("pk").first()
    if cluster is None:
        cluster, _ = Cluster.objects.get_or_create(name="default", defaults={"created_at": at})
    return cluster


def cluster_polled(
    cluster: Cluster,
    *,
    at: datetime,
    connected: bool,
    reason: str,
    is_simulated: bool | None = None,
) -> None:
    """A round of system figures ended: the heartbeat, and whether any node answered."""
    stored = Cluster.objects.get(pk=cluster.pk)
    changes: dict[str, object] = {"polled_at": at, "poll_number": F("poll_number") + 1}
    if stored.connected is not connected:
        changes |= {"connected": connected, "connection_since": at}
    if stored.connection_reason != reason:
        changes["connection_reason"] = reason
    if is_simulated is not None and stored.is_simulated is not is_simulated:
        changes["is_simulated"] = is_simulated
    Cluster.objects.filter(pk=cluster.pk).update(**changes)


def cluster_touch(cluster: Cluster) -> None:
    """Something that live pages show was stored: raise their cursor."""
    Cluster.objects.filter(pk=cluster.pk).update(poll_number=F("poll_number") + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheck:
    """What a look at the configuration came to."""

    targets: tuple[Target, ...] | None
    """The nodes to watch from now on; ``None``: keep those in force."""
    changed: bool
    """A new version was stored, or the problem came, changed or went."""


def config_check(
    cluster: Cluster, *, at: datetime, env: Mapping[str, str], home: Path
) -> ConfigCheck:
    """Look at the configuration file and the host list once, and store what changed.

    A content that was not the last is a new `ConfigVersion`. A file that can't be used
    is stored as the status's error, and the last good version stays in force.
    """
    found = discover(env, home=home)
    with transaction.atomic():
        status, _ = ConfigStatus.objects.select_for_update().get_or_create(
            cluster=cluster, defaults={"checked_at": at}
        )
        problem = found.problem or _vanished(found, status.current)
        version = _version_store(cluster, found, status.current, at=at)
        error = problem.as_dict() if problem else None
        if version != status.current:
            _version_record(status.current, version, at=at)
        if error != status.error:
            _problem_record(problem, path=found.path or status.path, before=status.error, at=at)
        changed = error != status.error or version != status.current
        status.checked_at = at
        status.searched = list(found.searched)
        status.error = error
        status.current = version
        if found.path is not None:
            status.path = str(found.path)
        elif version is None:
            status.path = ""
        if problem is None:
            status.hostfile = str(found.hostfile or "")
        status.save()
        if changed:
            cluster_touch(cluster)
    return ConfigCheck(targets=None if problem else found.targets, changed=changed)


def _vanished(found: Discovery, current: ConfigVersion | None) -> ConfigProblem | None:
    """The file was there once: going on with the defaults would drop the whole cluster."""
    if found.path is not None or current is None:
        return None
    return ConfigProblem(
        f"{current.path} is gone, and no other configuration file was found.",
        code="config_vanished",
        path=current.path,
        remedy="Put the file back; until then its last version stays in force.",
    )


def _version_store(
    cluster: Cluster, found: Discovery, current: ConfigVersion | None, *, at: datetime
) -> ConfigVersion | None:
    """The version in force after this look: a new one when the content differs."""
    if found.config is None or found.path is None:
        return current
    hosts = [target.address for target in found.targets or ()]
    if found.targets is None and current is not None:
        hosts = current.hosts
    if current is not None:
        same_file = (current.sha256, current.path) == (found.sha256, str(found.path))
        if same_file and current.hosts == hosts:
            if current.legacy != list(found.legacy):
                current.legacy = list(found.legacy)
                current.save(update_fields=["legacy"])
            return current
    newest = ConfigVersion.objects.filter(cluster=cluster).order_by("-number").first()
    return ConfigVersion.objects.create(
        cluster=cluster,
        number=1 if newest is None else newest.number + 1,
        path=str(found.path),
        sha256=found.sha256,
        hostfile=str(found.hostfile or ""),
        hosts=hosts,
        read_at=at,
        config=found.config,
        legacy=list(found.legacy),
    )


def _version_record(old: ConfigVersion | None, new: ConfigVersion | None, *, at: datetime) -> None:
    """Another configuration is in force: which values are new."""
    before, after = config_changes(old, new)
    audit_record(
        action="config.change",
        actor=Actor.portal(),
        target=AuditTarget("config", str(new.number) if new else "", new.path if new else ""),
        before=before if old else None,
        after=after,
        at=at,
    )


def _problem_record(
    problem: ConfigProblem | None,
    *,
    path: Path | str,
    before: dict[str, Any] | None,
    at: datetime,
) -> None:
    audit_record(
        action="config.problem" if problem else "config.problem_over",
        actor=Actor.portal(),
        outcome=Outcome.FAILED if problem else Outcome.SUCCEEDED,
        target=AuditTarget("config", "", str(path)),
        before=before,
        after=problem.as_dict() if problem else None,
        at=at,
    )
