"""Read a small text file that somebody else edits, within bounds."""

from __future__ import annotations

import codecs
from pathlib import Path

from apps.cluster.problems import ConfigProblem

MAX_FILE_BYTES = 1024 * 1024
"""A configuration or host file of 10,000 nodes has a quarter of this."""


def file_read(path: Path) -> bytes:
    """The file's bytes without a byte order mark. Raises ConfigProblem, which names the file."""
    try:
        if path.is_dir():
            raise _problem(path, "is a directory", "Name the file in it.")
        if not path.is_file():
            # A pipe or a device would be read for ever.
            raise _problem(path, "does not exist, or is no regular file", "Check the path.")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _problem(
            path,
            f"can't be read: {error.strerror}",
            "Give the portal's user permission to read it.",
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise _problem(
            path,
            f"is larger than {MAX_FILE_BYTES // 1024} KiB",
            "This is hardly the file that was meant; check the path.",
            code="file_too_large",
        )
    return data.removeprefix(codecs.BOM_UTF8)


def text_decode(data: bytes, *, path: Path) -> str:
    """UTF-8. Raises ConfigProblem with the line and column of the first other byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        raise ConfigProblem(
            f"{path} is not UTF-8 text.",
            code="not_text",
            path=str(path),
            line=before.count(b"\n") + 1,
            column=error.start - (before.rfind(b"\n") + 1) + 1,
            remedy="Save the file as UTF-8.",
        ) from error


def _problem(path: Path, what: str, remedy: str, *, code: str = "file_unreadable") -> ConfigProblem:
    return ConfigProblem(f"{path} {what}.", code=code, path=str(path), remedy=remedy)
