"""Which cluster the portal watches, and the versions of its configuration."""

from __future__ import annotations

from django.db import models


class Cluster(models.Model):
    """A cluster of runtime nodes, and whether the portal reaches it.

    One row today; every node, pool, sample and job hangs on it, so that several
    can follow without moving the largest tables.
    """

    name = models.CharField(max_length=100, unique=True, default="default")
    created_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    """When the collector last finished a round of system figures: its heartbeat."""
    poll_number = models.BigIntegerField(default=0)
    """Rises with each round; the cursor of live pages."""
    connected = models.BooleanField(null=True, blank=True)
    """Did any node answer in the last round? ``None``: no round yet."""
    connection_reason = models.TextField(blank=True)
    connection_since = models.DateTimeField(null=True, blank=True)
    is_simulated = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class ConfigVersion(models.Model):
    """One content that the configuration file and its host list have had; secrets masked."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="config_versions")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=4096)
    sha256 = models.CharField(max_length=64)
    """Of the file's bytes, secrets included, so that a changed secret is a new version."""
    hostfile = models.CharField(max_length=4096, blank=True)
    hosts = models.JSONField(default=list)
    """``host:port`` of each node, in order of their ids: a changed host list is a new version."""
    read_at = models.DateTimeField()
    config = models.JSONField()
    legacy = models.JSONField(default=list)
    """Sentences on names and places that newer runtimes no longer read."""

    class Meta:
        ordering = ("-number",)
        constraints = [
            models.UniqueConstraint(fields=("cluster", "number"), name="config_version_number"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.path}"


class ConfigStatus(models.Model):
    """What the last look at the configuration found. The last good version stays in force."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="config_status")
    checked_at = models.DateTimeField()
    path = models.CharField(max_length=4096, blank=True)
    searched = models.JSONField(default=list)
    current = models.ForeignKey(
        ConfigVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    hostfile = models.CharField(max_length=4096, blank=True)
    error = models.JSONField(null=True, blank=True)
    """``{"message", "code", "path", "line", "column", "remedy"}`` or ``None``."""

    def __str__(self) -> str:
        return f"configuration of {self.cluster}"
