"""People, and the tokens that their scripts use."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac
from knox.models import AbstractAuthToken, AuthTokenManager

from apps.accounts.roles import PERMISSION_WORDS

SESSION_SALT = "apps.accounts.models.User.session"


class User(AbstractUser):  # type: ignore[django-manager-missing]  # of knox, untyped
    """A person, or a service account (no password, tokens only)."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "as the device"
        LIGHT = "light", "light"
        DARK = "dark", "dark"

    class Source(models.TextChoices):
        PORTAL = "portal", "the portal itself"
        LDAP = "ldap", "the directory (LDAP)"
        OIDC = "oidc", "single sign-on"

    time_zone = models.CharField(
        max_length=64, blank=True, help_text="IANA name; empty: the browser's own zone."
    )
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)
    is_service = models.BooleanField(
        "service account", default=False, help_text="Has no password and can't sign in."
    )
    source = models.CharField(
        "comes from",
        max_length=8,
        choices=Source,
        default=Source.PORTAL,
        editable=False,
        help_text="Who checks the password. Names of one source never open accounts of another.",
    )
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    """Part of what every session is checked against: raised, it ends all of them at once."""

    class Meta(AbstractUser.Meta):
        permissions: ClassVar = list(PERMISSION_WORDS.items())

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """A session holds this, and ends when it is another: with the password, or the epoch."""
        told = f"{self.password}#{self.session_epoch}"
        return salted_hmac(SESSION_SALT, told, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_local(self) -> bool:
        """The portal keeps its password and its role; else the directory does."""
        return bool(self.source == self.Source.PORTAL)


class TokenQuerySet(models.QuerySet["ApiToken"]):
    def live(self, *, at: datetime) -> TokenQuerySet:
        """Those that open something: neither revoked nor expired."""
        ends = models.Q(expiry=None) | models.Q(expiry__gt=at)
        return self.filter(ends, revoked_at=None)


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """A script's credential: stored as a hash, shown once."""

    class Scope(models.TextChoices):
        READ = "read", "read"
        OPERATE = "operate", "read and operate"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    """Names the token on pages and in the trail; says nothing of its secret."""
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.READ)
    allowed_network = models.CharField(
        max_length=64, blank=True, help_text="CIDR from which it may be used; empty: anywhere."
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    """Kept, so that a use afterwards is known for what it is."""
    refused_at = models.DateTimeField(null=True, blank=True)
    """When a refused use was last written into the trail."""

    objects: ClassVar = AuthTokenManager.from_queryset(TokenQuerySet)()

    class Meta:
        verbose_name = "API token"
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    def status(self, *, at: datetime) -> str:
        """``live``, ``revoked`` or ``expired``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expiry is not None and self.expiry <= at else "live"
