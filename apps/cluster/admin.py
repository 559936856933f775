"""Versions of the cluster's configuration in Django's admin site, each with what it changed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import yaml
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.cluster.models import ConfigVersion

if TYPE_CHECKING:  # only the type is generic
    _ModelAdmin = admin.ModelAdmin[ConfigVersion]
else:
    _ModelAdmin = admin.ModelAdmin

MAX_LINES = 2000
KINDS = {"+": "added", "-": "removed", "@": "place"}


@admin.register(ConfigVersion)
class ConfigVersionAdmin(_ModelAdmin):
    """To be read. The portal takes the versions from the file; secrets are masked in them."""

    list_display = ("number", "cluster", "path", "read_at", "fingerprint", "in_the_portal")
    list_filter = ("cluster", ("read_at", admin.DateFieldListFilter))
    search_fields = ("=number", "path", "sha256", "hostfile")
    ordering = ("-read_at", "-number")
    list_select_related = ("cluster",)
    actions = None
    fields = (
        "number",
        "cluster",
        "path",
        "hostfile",
        "read_at",
        "sha256",
        "in_the_portal",
        "changes",
        "text",
    )
    readonly_fields = fields

    class Media:
        css = {"all": ("css/admin.css",)}

    @admin.display(description="SHA-256")
    def fingerprint(self, version: ConfigVersion) -> str:
        return version.sha256[:12]

    @admin.display(description="in the portal")
    def in_the_portal(self, version: ConfigVersion) -> SafeString:
        url = f"{reverse('config')}?version={version.number}"
        return format_html('<a href="{}">open</a>', url)

    @admin.display(description="changes to the version before")
    def changes(self, version: ConfigVersion) -> SafeString:
        earlier = (
            ConfigVersion.objects.filter(cluster=version.cluster, number__lt=version.number)
            .order_by("-number")
            .first()
        )
        if earlier is None:
            return SafeString("This is the first version.")
        lines = config_diff(earlier, version)
        if not lines:
            return SafeString("No visible change: only a masked secret, or comments.")
        return format_html('<pre class="portal-diff">{}</pre>', _marked(lines))

    @admin.display(description="content")
    def text(self, version: ConfigVersion) -> SafeString:
        return format_html('<pre class="portal-diff">{}</pre>', "\n".join(config_lines(version)))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.view_config"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def config_lines(version: ConfigVersion) -> list[str]:
    """The configuration and the hosts as YAML, in one order."""
    told = {"config": version.config, "hosts": version.hosts}
    return yaml.safe_dump(told, sort_keys=True, allow_unicode=True).splitlines()


def config_diff(earlier: ConfigVersion, later: ConfigVersion) -> list[str]:
    """Unified; empty when nothing differs that is not masked."""
    return list(
        difflib.unified_diff(
            config_lines(earlier),
            config_lines(later),
            f"version {earlier.number}",
            f"version {later.number}",
            lineterm="",
        )
    )


def _marked(lines: list[str]) -> SafeString:
    return format_html_join(
        "",
        '<span class="portal-diff__{}">{}\n</span>',
        ((_kind(line), line) for line in lines[:MAX_LINES]),
    )


def _kind(line: str) -> str:
    return "place" if line.startswith(("---", "+++")) else KINDS.get(line[:1], "same")
