"""Mask secrets in a configuration before anything stores or shows it."""

from __future__ import annotations

import re
from typing import Any

MASK = "••••••"

# fmt: off
_SECRET_WORDS = frozenset({
    "password", "passwords", "passwd", "pwd", "passphrase", "pass", "secret", "secrets",
    "token", "tokens", "key", "keys", "apikey", "accesskey", "secretkey", "authkey",
    "credential", "credentials", "cred", "creds", "private", "auth", "authorization", "bearer",
    "cookie", "salt", "sas", "signature",
})
# fmt: on
_SECRET_PARTS = ("password", "passwd", "secret", "token", "credential", "private", "apikey")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IN_URL = re.compile(r"(?P<before>[a-zA-Z][\w+.-]*://[^/\s@]*?:)[^/\s]*(?P<after>@)")
_USER_ONLY_URL = re.compile(r"(?P<before>[a-zA-Z][\w+.-]*://)[^/\s@:]{12,}(?P<after>@)")
_ASSIGNED = re.compile(
    r"(?P<before>\b[\w-]*(?:password|passwd|pwd|secret|token|credential|signature|"
    r"api[_-]?key|access[_-]?key|private[_-]?key)[\w-]*\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;,]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<before>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.DOTALL)


def secrets_mask(value: Any) -> Any:
    """A copy of plain data in which every secret is replaced by `MASK`.

    A secret is any text or number under a key whose name has a word such as password,
    secret, token, key, credential or private in it, whatever the case and at any depth
    below; a password in a URL or an assignment inside other text; a private key's text.
    It rather masks too much.
    """
    return _mask(value, secret=False)


def _mask(value: Any, *, secret: bool) -> Any:
    if isinstance(value, dict):
        return {
            key: _mask(item, secret=secret or key_is_secret(str(key)))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mask(item, secret=secret) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if secret:
        return MASK
    return text_mask(value) if isinstance(value, str) else value


def key_is_secret(name: str) -> bool:
    """Does the name of a key say that its value is secret?"""
    if any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name)):
        return True
    squeezed = re.sub(r"[\W_]", "", name).lower()
    return any(part in squeezed for part in _SECRET_PARTS)


def text_mask(text: str) -> str:
    """Text with the secrets inside it masked: URL passwords, ``password=…``, bearer tokens."""
    text = _KEY_BLOCK.sub(MASK, text)
    text = _IN_URL.sub(rf"\g<before>{MASK}\g<after>", text)
    text = _USER_ONLY_URL.sub(rf"\g<before>{MASK}\g<after>", text)
    text = _BEARER.sub(rf"\g<before>{MASK}", text)
    return _ASSIGNED.sub(rf"\g<before>{MASK}", text)
