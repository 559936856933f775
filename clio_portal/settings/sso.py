"""Signing in by another server: LDAP and OpenID Connect, each off until its URL is set."""

from __future__ import annotations

import importlib.util
import re
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from clio_portal.settings.env import PREFIX, Reader, read, wrong

__all__ = [
    "PORTAL_LDAP_NAME",
    "PORTAL_OIDC_GROUPS",
    "PORTAL_OIDC_ID",
    "PORTAL_OIDC_NAME",
    "PORTAL_OIDC_USER_NAME",
    "PORTAL_SSO_APPS",
    "PORTAL_SSO_BACKENDS",
    "PORTAL_SSO_DEFAULT_ROLE",
    "PORTAL_SSO_LIBRARIES",
    "PORTAL_SSO_MIDDLEWARE",
    "PORTAL_SSO_ROLES",
]

ROLES = ("administrator", "operator", "viewer")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANSWER_WITHIN_S = 5
GROUP_TYPES = {
    "groupOfNames": "GroupOfNamesType",
    "groupOfUniqueNames": "GroupOfUniqueNamesType",
    "posixGroup": "PosixGroupType",
    "activeDirectory": "NestedActiveDirectoryGroupType",
}


def roles(reader: Reader) -> dict[str, str]:
    """``SSO_ROLES``: ``group=role; group=role``. A group is a name, or all of its DN."""
    text = reader.text("SSO_ROLES")
    found = {}
    for part in (one.strip() for one in text.split(";")):
        if not part:
            continue
        group, sign, role = part.rpartition("=")
        if not sign or not group.strip() or role.strip() not in ROLES:
            raise wrong(
                "SSO_ROLES",
                part,
                f"must be such as hpc-ops=operator; hpc-users=viewer, with {', '.join(ROLES)}",
            )
        found[group.strip().lower()] = role.strip()
    return found


def ldap(reader: Reader) -> dict[str, Any]:
    """Settings of django-auth-ldap; empty without ``LDAP_URL``."""
    url = reader.text("LDAP_URL")
    start_tls = reader.boolean("LDAP_START_TLS", default=url.startswith("ldap://"))
    plain = reader.boolean("LDAP_ALLOW_PLAIN", default=False)
    ca_file = reader.text("LDAP_CA_FILE")
    bind_dn, password = reader.text("LDAP_BIND_DN"), reader.secret("LDAP_BIND_PASSWORD")
    user_base, group_base = reader.text("LDAP_USER_BASE"), reader.text("LDAP_GROUP_BASE")
    name = reader.text("LDAP_USER_NAME", "uid")
    user_filter = reader.text("LDAP_USER_FILTER", f"({name}=%(user)s)")
    group_type = reader.choice("LDAP_GROUP_TYPE", "groupOfNames", tuple(GROUP_TYPES))
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
        raise wrong("LDAP_URL", url, "must be such as ldaps://ldap.example.org")
    if parts.scheme == "ldap" and not (start_tls or plain) and parts.hostname not in LOOPBACK:
        raise wrong(
            "LDAP_START_TLS",
            "false",
            f"would send passwords in clear; set {PREFIX}LDAP_ALLOW_PLAIN=true if that is meant",
        )
    if not user_base:
        raise wrong("LDAP_USER_BASE", "", "must be set: the DN under which people are")
    if "%(user)s" not in user_filter:
        raise wrong("LDAP_USER_FILTER", user_filter, "must hold %(user)s")
    _installed("ldap", "ldap")
    _installed("django_auth_ldap", "ldap")
    return _ldap_settings(
        url=url,
        start_tls=start_tls and parts.scheme == "ldap",
        ca_file=ca_file,
        bind=(bind_dn, password),
        user=(user_base, user_filter),
        group=(group_base, group_type),
        name=name,
    )


def _ldap_settings(
    *,
    url: str,
    start_tls: bool,
    ca_file: str,
    bind: tuple[str, str],
    user: tuple[str, str],
    group: tuple[str, str],
    name: str,
) -> dict[str, Any]:
    import ldap as library
    from django_auth_ldap import config

    options: dict[int, Any] = {
        library.OPT_NETWORK_TIMEOUT: ANSWER_WITHIN_S,
        library.OPT_TIMEOUT: ANSWER_WITHIN_S,
        library.OPT_REFERRALS: 0,
    }
    if start_tls or url.startswith("ldaps:"):
        options[library.OPT_X_TLS_REQUIRE_CERT] = library.OPT_X_TLS_DEMAND
        if ca_file:
            options[library.OPT_X_TLS_CACERTFILE] = ca_file
        options[library.OPT_X_TLS_NEWCTX] = 0  # last: takes over what was set before it
    found: dict[str, Any] = {
        "PORTAL_LDAP_NAME": name,
        "AUTH_LDAP_SERVER_URI": url,
        "AUTH_LDAP_START_TLS": start_tls,
        "AUTH_LDAP_CONNECTION_OPTIONS": options,
        "AUTH_LDAP_BIND_DN": bind[0],
        "AUTH_LDAP_BIND_PASSWORD": bind[1],
        "AUTH_LDAP_USER_SEARCH": config.LDAPSearch(user[0], library.SCOPE_SUBTREE, user[1]),
        "AUTH_LDAP_ALWAYS_UPDATE_USER": False,  # the portal does, and writes it down
    }
    if group[0]:
        kind = GROUP_TYPES[group[1]]
        object_class = "group" if group[1] == "activeDirectory" else group[1]
        found["AUTH_LDAP_GROUP_TYPE"] = getattr(config, kind)()
        found["AUTH_LDAP_GROUP_SEARCH"] = config.LDAPSearch(
            group[0], library.SCOPE_SUBTREE, f"(objectClass={object_class})"
        )
    return found


def oidc(reader: Reader) -> dict[str, Any]:
    """Settings of django-allauth; empty without ``OIDC_URL``."""
    url = reader.text("OIDC_URL")
    client_id, secret = reader.text("OIDC_CLIENT_ID"), reader.secret("OIDC_CLIENT_SECRET")
    name = reader.text("OIDC_NAME", "single sign-on")
    own_id = reader.text("OIDC_ID", "sso")
    groups, username = (
        reader.text("OIDC_GROUPS", "groups"),
        reader.text("OIDC_USER_NAME", "preferred_username"),
    )
    scopes = reader.names("OIDC_SCOPES", ("openid", "profile", "email"))
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong("OIDC_URL", url, "must be such as https://sso.example.org/realms/hpc")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise wrong("OIDC_URL", url, "must begin with https://")
    if not re.fullmatch(r"[a-z0-9-]{1,50}", own_id):
        raise wrong("OIDC_ID", own_id, "must be a word of small letters, digits and hyphens")
    if not client_id or not secret:
        raise wrong("OIDC_CLIENT_ID", client_id, "and OIDC_CLIENT_SECRET must both be set")
    _installed("allauth", "oidc")
    app = {
        "provider_id": own_id,
        "name": name,
        "client_id": client_id,
        "secret": secret,
        "settings": {"server_url": url.rstrip("/")},
    }
    return {
        "PORTAL_OIDC_ID": own_id,
        "PORTAL_OIDC_NAME": name,
        "PORTAL_OIDC_GROUPS": groups,
        "PORTAL_OIDC_USER_NAME": username,
        "SOCIALACCOUNT_PROVIDERS": {
            "openid_connect": {"OAUTH_PKCE_ENABLED": True, "SCOPE": scopes, "APPS": [app]}
        },
        "SOCIALACCOUNT_ADAPTER": "apps.accounts.oidc.PortalSocialAdapter",
        "ACCOUNT_ADAPTER": "apps.accounts.oidc.PortalAccountAdapter",
        "SOCIALACCOUNT_LOGIN_ON_GET": True,  # a link; the policy lets no form go elsewhere
        "SOCIALACCOUNT_STORE_TOKENS": False,
        "ACCOUNT_EMAIL_VERIFICATION": "none",
    }


def _installed(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ImproperlyConfigured(
            f"{PREFIX}{extra.upper()}_URL is set, but the package {module!r} is not installed: "
            f"pip install 'clio-portal[{extra}]'."
        )


PORTAL_SSO_ROLES = roles(read)
PORTAL_SSO_DEFAULT_ROLE = read.choice("SSO_DEFAULT_ROLE", "none", ("none", "viewer"))
"""Of people in no group of SSO_ROLES: kept out, or let in to look."""
_LDAP, _OIDC = ldap(read), oidc(read)
if (_LDAP or _OIDC) and not PORTAL_SSO_ROLES and PORTAL_SSO_DEFAULT_ROLE == "none":
    raise wrong(
        "SSO_ROLES",
        "",
        "must name groups and their roles, or nobody could come in "
        f"(or set {PREFIX}SSO_DEFAULT_ROLE=viewer)",
    )
PORTAL_LDAP_NAME: str = _LDAP.pop("PORTAL_LDAP_NAME", "")
PORTAL_OIDC_ID: str = _OIDC.pop("PORTAL_OIDC_ID", "")
"""In the address that the provider sends people back to; empty: switched off."""
PORTAL_OIDC_NAME: str = _OIDC.pop("PORTAL_OIDC_NAME", "")
PORTAL_OIDC_GROUPS: str = _OIDC.pop("PORTAL_OIDC_GROUPS", "")
PORTAL_OIDC_USER_NAME: str = _OIDC.pop("PORTAL_OIDC_USER_NAME", "")
PORTAL_SSO_LIBRARIES = _LDAP | _OIDC
"""Settings of the libraries, by their own names."""
PORTAL_SSO_APPS: list[str] = []
PORTAL_SSO_MIDDLEWARE: list[str] = []
if _OIDC:
    PORTAL_SSO_APPS = [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.openid_connect",
    ]
    PORTAL_SSO_MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
PORTAL_SSO_BACKENDS = ["apps.accounts.directory.DirectoryBackend"] if _LDAP else []
