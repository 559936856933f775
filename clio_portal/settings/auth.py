"""Who may sign in, and how passwords and tokens are treated."""

from __future__ import annotations

from datetime import timedelta

from clio_portal.settings.env import read
from clio_portal.settings.mode import PORTAL_MODE
from clio_portal.settings.security import PORTAL_TRUSTED_PROXIES
from clio_portal.settings.sso import PORTAL_SSO_BACKENDS

__all__ = [
    "AUTHENTICATION_BACKENDS",
    "AUTH_PASSWORD_VALIDATORS",
    "AUTH_USER_MODEL",
    "AXES_CLIENT_IP_CALLABLE",
    "AXES_COOLOFF_TIME",
    "AXES_ENABLE_ADMIN",
    "AXES_FAILURE_LIMIT",
    "AXES_HTTP_RESPONSE_CODE",
    "AXES_IPWARE_PROXY_COUNT",
    "AXES_LOCKOUT_CALLABLE",
    "AXES_LOCKOUT_PARAMETERS",
    "AXES_RESET_ON_SUCCESS",
    "AXES_USERNAME_CALLABLE",
    "AXES_VERBOSE",
    "KNOX_TOKEN_MODEL",
    "LOGIN_REDIRECT_URL",
    "LOGIN_URL",
    "LOGOUT_REDIRECT_URL",
    "PASSWORD_HASHERS",
    "PASSWORD_RESET_TIMEOUT",
    "PORTAL_ANONYMOUS_READ",
    "PORTAL_FRESH_SIGN_IN",
    "PORTAL_SESSION_IDLE",
    "PORTAL_TOKEN_MAX_DAYS",
    "REST_KNOX",
]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "apps.accounts.backends.PortalBackend",
    *PORTAL_SSO_BACKENDS,  # after it: a local account's password is never sent to a directory
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if PORTAL_MODE == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, for tests only
PASSWORD_RESET_TIMEOUT = 3600 * read.integer("PASSWORD_LINK_HOURS", 72, low=1, high=24 * 30)
"""How long a link that sets a password is good for; once used, it is not."""
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "topology"
LOGOUT_REDIRECT_URL = "login"

PORTAL_ANONYMOUS_READ = read.boolean("ANONYMOUS_READ", default=False)
"""Everybody who reaches the portal sees nodes, pools, history and configuration."""
PORTAL_SESSION_IDLE = timedelta(
    minutes=read.integer("SESSION_IDLE_MINUTES", 120, low=0, high=90 * 24 * 60)
)
"""Signed out after so long without doing anything; pages that refresh themselves are not
doing. 0: never, before SESSION_HOURS are over."""
PORTAL_FRESH_SIGN_IN = timedelta(
    minutes=read.integer("FRESH_SIGN_IN_MINUTES", 15, low=1, high=24 * 60)
)
"""Dangerous things ask for the password, if it was given longer ago."""
PORTAL_TOKEN_MAX_DAYS = read.integer("TOKEN_MAX_DAYS", 366, low=0, high=36_500)
"""The longest life of a token made on pages; 0: as long as anybody likes."""

# A name is locked out at one address, not everywhere: or anybody could lock an
# administrator out from afar.
AXES_FAILURE_LIMIT = read.integer("SIGN_IN_ATTEMPTS", 5, low=1, high=100)
AXES_COOLOFF_TIME = timedelta(
    seconds=read.seconds("SIGN_IN_COOL_OFF_S", 15 * 60, low=1, high=7 * 24 * 3600)
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HTTP_RESPONSE_CODE = 429
AXES_LOCKOUT_CALLABLE = "apps.accounts.views.locked_out"
AXES_CLIENT_IP_CALLABLE = "apps.common.client_address.client_address"
AXES_IPWARE_PROXY_COUNT = PORTAL_TRUSTED_PROXIES
AXES_USERNAME_CALLABLE = "apps.accounts.backends.lockout_name"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105 - a model's name
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=90),
    "AUTH_HEADER_PREFIX": "Token",
    "AUTH_TOKEN_CHARACTER_LENGTH": 64,
}
