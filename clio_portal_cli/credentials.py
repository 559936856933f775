"""Which portal, and with which token: options, then the environment, then what `login` kept."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clio_portal_cli.errors import CliError, Exit

URL, TOKEN, TOKEN_FILE = "CLIO_PORTAL_URL", "CLIO_PORTAL_TOKEN", "CLIO_PORTAL_TOKEN_FILE"
DEFAULT_URL = "http://127.0.0.1:5000"
MOST_BYTES = 65_536
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Credentials:
    url: str
    token: str


def store_path(environment: Mapping[str, str]) -> Path:
    """Where `login` keeps address and token."""
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~"), ".config")
    return Path(base).expanduser() / "clio-portal" / "login.json"


def credentials_find(
    *, url: str | None, token_file: Path | None, environment: Mapping[str, str]
) -> Credentials:
    """Raises CliError when there is no token, or its file is open to others."""
    kept = store_read(store_path(environment))
    named = url or environment.get(URL)
    address = url_check(named or (kept.url if kept else DEFAULT_URL))
    file = token_file or (Path(environment[TOKEN_FILE]) if environment.get(TOKEN_FILE) else None)
    if file is not None:
        return Credentials(address, token_clean(_private_text(file), where=str(file)))
    if environment.get(TOKEN):
        return Credentials(address, token_clean(environment[TOKEN], where=TOKEN))
    if kept is not None and address == kept.url:  # no portal is sent another one's token
        return kept
    raise CliError(
        f"There is no token for {address}.",
        exit_code=Exit.NOT_ALLOWED,
        remedy=f"Run: clio-portal login {address}   or set {TOKEN} or {TOKEN_FILE}.",
    )


def url_check(text: str) -> str:
    """The portal's address without a slash behind. Raises CliError."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise CliError(
            f"{text!r} is no address of a portal.",
            exit_code=Exit.USAGE,
            remedy="Give one such as https://portal.example.org",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def token_clean(text: str, *, where: str) -> str:
    """The token without blanks around it. Raises CliError for what can't be one."""
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CliError(
            f"What {where} holds is no token.",
            exit_code=Exit.NOT_ALLOWED,
            remedy="A token is one word of letters and digits, as the portal showed it once.",
        )
    return token


def store_read(path: Path) -> Credentials | None:
    """``None``: nobody has logged in. Raises CliError when the file is open to others."""
    if not path.exists():
        return None
    try:
        held = json.loads(_private_text(path))
        return Credentials(url_check(held["url"]), token_clean(held["token"], where=str(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise CliError(
            f"{path} is not what login writes.",
            exit_code=Exit.NOT_ALLOWED,
            remedy="Run clio-portal login again; it writes the file anew.",
        ) from error


def store_write(path: Path, credentials: Credentials) -> None:
    """For its owner only, and whole or not at all."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"url": credentials.url, "token": credentials.token}, file)
        draft.replace(path)
    except OSError as error:
        raise CliError(
            f"Can't write {path}: {error.strerror or error}.",
            exit_code=Exit.USAGE,
            remedy="Set XDG_CONFIG_HOME to a folder that is yours, or use "
            f"{TOKEN_FILE} in place of login.",
        ) from error


def _private_text(path: Path) -> str:
    """A file's text; it must be the caller's own and closed to all others. Raises CliError."""
    try:
        with path.open("rb") as file:
            held = os.fstat(file.fileno())
            _private_check(path, held)
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise CliError(
            f"Can't read {path}: {error.strerror or error}.",
            exit_code=Exit.NOT_ALLOWED,
            remedy="Name a file that holds the token, and nothing else.",
        ) from error


def _private_check(path: Path, held: os.stat_result) -> None:
    if not stat.S_ISREG(held.st_mode):
        problem, remedy = "is no file", "Name a file that holds the token."
    elif held.st_uid != os.geteuid():
        problem, remedy = "belongs to somebody else", "Use a copy of your own, with mode 600."
    elif held.st_mode & OTHERS:
        problem, remedy = "can be read by others", f"Run: chmod 600 {path}"
    else:
        return
    raise CliError(f"{path} {problem}.", exit_code=Exit.NOT_ALLOWED, remedy=remedy)
