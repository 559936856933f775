from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "clio_portal"
    label = "clio_portal"

    def ready(self) -> None:
        # checks registers itself; celery makes `shared_task`s of this process go to our broker
        from clio_portal import celery, checks  # noqa: F401
