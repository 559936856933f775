from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    default_site = "clio_portal.admin.PortalAdminSite"


class ProjectConfig(AppConfig):
    name = "clio_portal"
    label = "clio_portal"

    def ready(self) -> None:
        # checks registers itself; celery makes `shared_task`s of this process go to our broker
        from clio_portal import celery, checks  # noqa: F401

        # A Celery worker does this by itself; a web process, which launches jobs, does not.
        for name in settings.CELERY_IMPORTS:
            import_module(name)
