"""One line an event, as text for people or JSON for machines, with the request's id."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import structlog

from clio_portal.log_masking import SecretsHidden
from clio_portal.settings.env import read
from clio_portal.settings.mode import PORTAL_MODE, SECRET_KEY
from clio_portal.settings.storage import DATABASES, PORTAL_REDIS_URL

__all__ = ["LOGGING", "LOGGING_CONFIG", "PORTAL_LOG_FORMAT", "PORTAL_LOG_LEVEL"]

PORTAL_LOG_FORMAT = read.choice(
    "LOG_FORMAT", "json" if PORTAL_MODE == "production" else "text", ("text", "json")
)
PORTAL_LOG_LEVEL = read.choice(
    "LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
)

SHARED_PROCESSORS: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _own_secrets() -> tuple[str, ...]:
    redis_password = urlsplit(PORTAL_REDIS_URL).password or ""
    database_password = str(DATABASES["default"].get("PASSWORD") or "")
    return (SECRET_KEY, redis_password, unquote(redis_password), database_password)


# Tracebacks come without the local variables, which may hold anything.
_TRACEBACK: structlog.types.Processor = (
    structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    if PORTAL_LOG_FORMAT == "json"
    else structlog.processors.format_exc_info
)
_RENDERER: structlog.types.Processor = (
    structlog.processors.JSONRenderer(ensure_ascii=False)
    if PORTAL_LOG_FORMAT == "json"
    else structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
)
FINAL_PROCESSORS: list[structlog.types.Processor] = [
    _TRACEBACK,
    SecretsHidden(_own_secrets()),
    _RENDERER,
]
LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "portal": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": SHARED_PROCESSORS,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *FINAL_PROCESSORS,
            ],
        }
    },
    "filters": {
        "with_traceback": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: bool(record.exc_info),
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "portal"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "apps": {"level": PORTAL_LOG_LEVEL},
        "clio_portal": {"level": PORTAL_LOG_LEVEL},
        "django": {"level": "INFO", "handlers": [], "propagate": True},
        # Its lines on 4xx and 5xx repeat what the request's own line says, but for the
        # traceback of an unhandled error.
        "django.request": {"level": "ERROR", "filters": ["with_traceback"]},
        "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "gunicorn.error": {"level": "INFO"},
        # It logs each failure with its traceback; the job holds the failure as a sentence.
        "paramiko": {"level": "CRITICAL"},
    },
}

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *SHARED_PROCESSORS,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=PORTAL_MODE != "test",
)
