"""The REST framework: deny by default, JSON errors, OpenAPI 3.1."""

from __future__ import annotations

from clio_portal.settings.env import read
from clio_portal.settings.mode import PORTAL_MODE

__all__ = [
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOW_CREDENTIALS",
    "CORS_ALLOW_HEADERS",
    "CORS_ALLOW_METHODS",
    "CORS_EXPOSE_HEADERS",
    "CORS_PREFLIGHT_MAX_AGE",
    "CORS_URLS_REGEX",
    "PORTAL_BODY_LIMIT_BYTES",
    "PORTAL_RATE_ANONYMOUS",
    "PORTAL_RATE_CHANGES",
    "PORTAL_RATE_TOKEN",
    "PORTAL_RATE_USER",
    "REST_FRAMEWORK",
    "SPECTACULAR_SETTINGS",
]

MOST = 1_000_000_000
LIMITED = PORTAL_MODE != "test"  # tests share users and minutes; those of the limits set them

PORTAL_RATE_TOKEN = read.integer("RATE_TOKEN", 120_000 if LIMITED else 0, low=0, high=MOST)
"""Requests to the API a minute with one token; 0: any number. So for the next three."""
PORTAL_RATE_USER = read.integer("RATE_USER", 240_000 if LIMITED else 0, low=0, high=MOST)
"""Of one person or service account, with all tokens and sessions."""
PORTAL_RATE_CHANGES = read.integer("RATE_CHANGES", 120 if LIMITED else 0, low=0, high=MOST)
"""Of one person, those that change something."""
PORTAL_RATE_ANONYMOUS = read.integer("RATE_ANONYMOUS", 600 if LIMITED else 0, low=0, high=MOST)
"""From one address, without credentials, where that is allowed at all."""
PORTAL_BODY_LIMIT_BYTES = read.integer(
    "BODY_LIMIT_BYTES", 1024 * 1024, low=10_000, high=8 * 1024 * 1024
)

# Other origins may read with a token of their own, and nothing else: no cookies, no changes.
CORS_ALLOWED_ORIGINS = read.origins("CORS_ORIGINS")
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept", "authorization", "if-none-match", "x-request-id"]
CORS_EXPOSE_HEADERS = ["Age", "ETag", "Retry-After", "X-Request-ID"]
CORS_ALLOW_CREDENTIALS = False
CORS_PREFLIGHT_MAX_AGE = 600

REST_FRAMEWORK = {
    # The token comes first: its challenge is what a request without credentials gets (401).
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.api_permissions.RequiresPermission"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "apps.common.renderers.PortalBrowsableRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["apps.common.parsers.PortalJsonParser"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.common.throttling.CallerThrottle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.common.api_exceptions.exception_handler",
    "UNAUTHENTICATED_TOKEN": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CLIO Portal",
    "DESCRIPTION": (
        "Who is alive in a cluster of CLIO Runtime nodes, how busy each is, how that was before, "
        "and control jobs that stop and start nodes.\n\n"
        "Credentials: `Authorization: Token …` for scripts, the session of a sign-in for "
        "browsers. Every answer is JSON, errors too: "
        '`{"error": sentence, "code": word, "remedy"?: sentence}`. `code` does not change. What '
        "is not known is `null`, never 0. Times are ISO 8601 in UTC."
    ),
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["apps.accounts.api_permissions.RequiresPermission"],
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "clio_portal.api_schema.schema_complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStatusEnum": "apps.control.models.jobs.STATUS_VALUES",
        "BatchStatusEnum": "apps.control.models.batches.STATUS_VALUES",
    },
}
