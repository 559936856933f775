"""Headers, cookies, hosts: secure unless a setting says otherwise."""

from __future__ import annotations

from csp.constants import NONE, SELF

from clio_portal.settings.api import PORTAL_BODY_LIMIT_BYTES
from clio_portal.settings.env import read
from clio_portal.settings.mode import PORTAL_MODE

__all__ = [
    "ALLOWED_HOSTS",
    "CONTENT_SECURITY_POLICY",
    "CSRF_COOKIE_HTTPONLY",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_SAMESITE",
    "CSRF_COOKIE_SECURE",
    "CSRF_FAILURE_VIEW",
    "CSRF_TRUSTED_ORIGINS",
    "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "PORTAL_HTTPS",
    "PORTAL_PERMISSIONS_POLICY",
    "PORTAL_TRUSTED_PROXIES",
    "SECURE_CONTENT_TYPE_NOSNIFF",
    "SECURE_CROSS_ORIGIN_OPENER_POLICY",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    "SECURE_HSTS_PRELOAD",
    "SECURE_HSTS_SECONDS",
    "SECURE_PROXY_SSL_HEADER",
    "SECURE_REDIRECT_EXEMPT",
    "SECURE_REFERRER_POLICY",
    "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_AGE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_SECURE",
    "SILENCED_SYSTEM_CHECKS",
    "X_FRAME_OPTIONS",
]

LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

ALLOWED_HOSTS = read.names("ALLOWED_HOSTS", LOCAL_HOSTS)
if PORTAL_MODE == "test":
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, "testserver"]
CSRF_TRUSTED_ORIGINS = read.origins("TRUSTED_ORIGINS")

PORTAL_HTTPS = read.boolean("HTTPS", default=PORTAL_MODE == "production")
"""Browsers reach the portal by https (a proxy in front ends TLS)."""
PORTAL_TRUSTED_PROXIES = read.integer("TRUSTED_PROXIES", 0, low=0, high=5)
"""Proxies in front: as many X-Forwarded-For entries, from the right, are believed."""

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PORTAL_TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = PORTAL_HTTPS
SECURE_REDIRECT_EXEMPT = [r"(^|/)(healthz|readyz)$"]
"""Load balancers and health checks ask from inside, without TLS; perhaps below a sub-path."""
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PORTAL_HTTPS else 0
# The portal can't speak for its neighbours in the domain, so these two are a site's to decide.
SECURE_HSTS_INCLUDE_SUBDOMAINS = read.boolean("HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = read.boolean("HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PORTAL_PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Names of our own: cookies do not know ports, and a machine has many things on localhost.
SESSION_COOKIE_NAME = "__Host-clio_portal_session" if PORTAL_HTTPS else "clio_portal_session"
CSRF_COOKIE_NAME = "__Host-clio_portal_csrf" if PORTAL_HTTPS else "clio_portal_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PORTAL_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 3600 * read.integer("SESSION_HOURS", 24, low=1, high=24 * 90)
CSRF_FAILURE_VIEW = "apps.common.error_views.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = PORTAL_BODY_LIMIT_BYTES
