"""docs/control-faults.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/control-faults.md").read_text())


def test_there_are_some() -> None:
    assert len(NAMED) > 50


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_it_is_there(path: str, name: str) -> None:
    assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
