from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class PortalAdminConfig(SimpleAdminConfig):
    """Its pages are loaded with the addresses (`urls`): only web processes need them."""

    default_site = "clio_portal.admin.PortalAdminSite"


class ProjectConfig(AppConfig):
    name = "clio_portal"
    label = "clio_portal"

    def ready(self) -> None:
        # checks registers itself; celery makes `shared_task`s of this process go to our broker
        from clio_portal import celery, checks  # noqa: F401
