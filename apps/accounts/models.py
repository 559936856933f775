"""People, and the tokens that their scripts use."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from knox.models import AbstractAuthToken


class User(AbstractUser):  # type: ignore[django-manager-missing]  # of knox, untyped
    """A person, or a service account (no password, tokens only)."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "as the device"
        LIGHT = "light", "light"
        DARK = "dark", "dark"

    time_zone = models.CharField(
        max_length=64, blank=True, help_text="IANA name; empty: the browser's own zone."
    )
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)
    is_service = models.BooleanField(
        "service account", default=False, help_text="Has no password and can't sign in."
    )

    class Meta(AbstractUser.Meta):
        permissions: ClassVar = [
            ("view_live", "Can see nodes, workers, block devices, pools and their history"),
            ("view_config", "Can see the cluster's configuration"),
            ("view_jobs", "Can see control jobs and their output"),
            ("operate_nodes", "Can shut down, start and restart nodes"),
            ("view_audit", "Can see and export the audit trail"),
            ("manage_people", "Can manage people, roles and tokens"),
            ("manage_settings", "Can change the portal's settings"),
        ]


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """A script's credential: stored as a hash, shown once."""

    class Scope(models.TextChoices):
        READ = "read", "read"
        OPERATE = "operate", "read and operate"

    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    allowed_network = models.CharField(
        max_length=64, blank=True, help_text="CIDR from which it may be used; empty: anywhere."
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"
