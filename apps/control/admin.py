"""Control in Django's admin site."""

from apps.control import access_admin, jobs_admin, node_admin

__all__ = ["access_admin", "jobs_admin", "node_admin"]
