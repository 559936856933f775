"""How the portal gets onto machines, as set in the admin site. Nothing secret is in here."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from apps.cluster.models import Cluster
from apps.control.access_parts import PART_FIELDS, AccessPart, part_problems
from apps.control.remote.types import HostKeyPolicy, Method
from apps.nodes.models import Node

PATH_LENGTH = 1024


class AccessFields(models.Model):
    """The same for the whole cluster and for one node. Empty: as the level below says."""

    method = models.CharField(
        max_length=8,
        blank=True,
        choices=[(Method.SSH.value, "SSH"), (Method.LOCAL.value, "on the portal's machine")],
        help_text="Local is refused for a node whose host is another machine.",
    )
    port = models.PositiveIntegerField(null=True, blank=True, help_text="Of sshd.")
    user = models.CharField(max_length=64, blank=True)
    key_file = models.CharField(
        max_length=PATH_LENGTH,
        blank=True,
        help_text="Full path of a private key file on the portal's machine, or the word agent. "
        "Never the key itself.",
    )
    jump = models.CharField(
        max_length=320,
        blank=True,
        verbose_name="jump host",
        help_text="user@host:port, or the word none.",
    )
    jump_key_file = models.CharField(max_length=PATH_LENGTH, blank=True)
    host_keys = models.CharField(
        max_length=16,
        blank=True,
        choices=[
            (HostKeyPolicy.ACCEPT_NEW.value, "keep the key that is seen first"),
            (HostKeyPolicy.STRICT.value, "only keys that are known already"),
            (HostKeyPolicy.OFF.value, "do not check (unsafe)"),
        ],
    )
    clio_run = models.CharField(
        max_length=PATH_LENGTH, blank=True, help_text="Full path on the node's machine."
    )
    server_conf = models.CharField(
        max_length=PATH_LENGTH,
        blank=True,
        verbose_name="CLIO_SERVER_CONF",
        help_text="Paths may hold {node_id}, {host} and {port}.",
    )
    storage_root = models.CharField(
        max_length=PATH_LENGTH, blank=True, verbose_name="CLIO_STORAGE_ROOT"
    )
    log_path = models.CharField(
        max_length=PATH_LENGTH, blank=True, help_text="Where a runtime that is started writes."
    )
    environment = models.JSONField(
        default=dict,
        blank=True,
        help_text='Other variables, such as {"CTP_LOG_LEVEL": "info"}. No secrets.',
    )
    changed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def part(self) -> AccessPart:
        return AccessPart(
            **{name: getattr(self, name) for name in PART_FIELDS if hasattr(self, name)}
        )

    def clean(self) -> None:
        super().clean()
        if not isinstance(self.environment, dict):
            raise ValidationError({"environment": "It must be an object of names and texts."})
        problems = part_problems(self.part)
        if problems:
            raise ValidationError(problems)


class ClusterAccess(AccessFields):
    """For all nodes of a cluster."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="access")

    class Meta:
        verbose_name = "access to a cluster"
        verbose_name_plural = "access to clusters"

    def __str__(self) -> str:
        return f"access to {self.cluster}"


class NodeAccess(AccessFields):
    """For one node, where it differs from its cluster."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="access")
    address = models.CharField(
        max_length=255,
        blank=True,
        help_text="Of the machine, for SSH; empty: the node's host in the host list.",
    )

    class Meta:
        verbose_name = "access to a node"
        verbose_name_plural = "access to nodes"

    def __str__(self) -> str:
        return f"access to {self.node}"
