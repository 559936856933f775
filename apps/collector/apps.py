from django.apps import AppConfig


class CollectorConfig(AppConfig):
    name = "apps.collector"
    default_auto_field = "django.db.models.BigAutoField"
