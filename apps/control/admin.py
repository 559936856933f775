"""Control in Django's admin site."""

from apps.control import access_admin

__all__ = ["access_admin"]
