"""Installed apps, middleware, templates, static files."""

from __future__ import annotations

from clio_portal.settings.api import CORS_ALLOWED_ORIGINS
from clio_portal.settings.deployment import PORTAL_SUB_PATH
from clio_portal.settings.env import read
from clio_portal.settings.mode import BASE_DIR, PORTAL_MODE
from clio_portal.settings.sso import PORTAL_SSO_APPS, PORTAL_SSO_MIDDLEWARE

__all__ = [
    "ASGI_APPLICATION",
    "DEFAULT_AUTO_FIELD",
    "FORMAT_MODULE_PATH",
    "INSTALLED_APPS",
    "LANGUAGE_CODE",
    "MIDDLEWARE",
    "ROOT_URLCONF",
    "STATICFILES_DIRS",
    "STATIC_ROOT",
    "STATIC_URL",
    "STORAGES",
    "TEMPLATES",
    "TIME_ZONE",
    "USE_I18N",
    "USE_TZ",
    "WHITENOISE_AUTOREFRESH",
    "WHITENOISE_USE_FINDERS",
    "WSGI_APPLICATION",
]

INSTALLED_APPS = [
    "whitenoise.runserver_nostatic",
    "clio_portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "corsheaders",
    "csp",
    "django_htmx",
    *PORTAL_SSO_APPS,
    "clio_portal.apps.ProjectConfig",
    "apps.common",
    "apps.audit",
    "apps.history",
    "apps.accounts",
    "apps.cluster",
    "apps.nodes",
    "apps.pools",
    "apps.control",
    "apps.collector",
]
MIDDLEWARE = [
    "apps.common.middleware.RequestMiddleware",
    "apps.common.api_middleware.BodyLimitMiddleware",
    "apps.common.api_middleware.ApiAnswerMiddleware",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.common.csp.PortalCspMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Below what gives every answer its headers, above the check of the host name.
    "clio_portal.health.HealthMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.accounts.middleware.PersonMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    *PORTAL_SSO_MIDDLEWARE,
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "clio_portal.urls"
WSGI_APPLICATION = "clio_portal.wsgi.application"
ASGI_APPLICATION = "clio_portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.accounts.context_processors.menu",
                "apps.nodes.context_processors.connection",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = ["clio_portal.formats"]
USE_TZ = True
TIME_ZONE = read.time_zone("TIME_ZONE", "UTC")

# Written out: Django itself would take what the script name is when first asked, and keep that.
STATIC_URL = f"{PORTAL_SUB_PATH}/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A deployment runs collectstatic and serves hashed names that browsers may keep for ever.
# The single mode needs no such step: it serves the files from where they are.
STATIC_ROOT = BASE_DIR / "staticfiles" if PORTAL_MODE == "production" else None
WHITENOISE_USE_FINDERS = PORTAL_MODE != "production"
WHITENOISE_AUTOREFRESH = PORTAL_MODE == "test"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PORTAL_MODE == "production"
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
