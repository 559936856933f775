"""Which way the portal runs, where its data lives, and its secret."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from clio_portal.settings.env import PREFIX, read, wrong

__all__ = ["BASE_DIR", "DEBUG", "PORTAL_DATA_DIR", "PORTAL_MODE", "SECRET_KEY"]

BASE_DIR = Path(__file__).resolve().parent.parent.parent
SECRET_LENGTH = 50


def _secret_of_file(path: Path) -> str:
    """The secret kept in the data directory; made on the first start, for its owner only."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)  # atomic: of two first starts, one secret wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def _secret(mode: str, data_dir: Path) -> str:
    given = read.text("SECRET_KEY")
    if given:
        if len(given) < SECRET_LENGTH and mode == "production":
            raise wrong("SECRET_KEY", "…", f"must have {SECRET_LENGTH} characters or more")
        return given
    if mode == "production":
        raise ImproperlyConfigured(
            f"{PREFIX}SECRET_KEY must be set in production. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        )
    if mode == "test":
        return "the-tests-use-this-and-nothing-else-does-" * 2
    return _secret_of_file(data_dir / "secret_key")


PORTAL_MODE = read.choice("MODE", "single", ("single", "production", "test"))
PORTAL_DATA_DIR = read.directory(
    "DATA_DIR", BASE_DIR / "var" / "test" if PORTAL_MODE == "test" else BASE_DIR / "var"
)
SECRET_KEY = _secret(PORTAL_MODE, PORTAL_DATA_DIR)
DEBUG = read.boolean("DEBUG", default=False)
if DEBUG and PORTAL_MODE == "production":
    raise wrong("DEBUG", "true", "can't be used in production: error pages would show secrets")
