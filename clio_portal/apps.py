from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "clio_portal"
    label = "clio_portal"

    def ready(self) -> None:
        from clio_portal import checks  # noqa: F401 - registers them
