"""Every failure has a code of its own, a sentence, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.runtime import errors
from apps.runtime.errors import RuntimeFailure, RuntimeRefused


def kinds(of: type[RuntimeFailure] = RuntimeFailure) -> Iterator[type[RuntimeFailure]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_a_failure_says_what_to_do(kind: type[RuntimeFailure]) -> None:
    made = kind("It broke.", return_code=3) if kind is RuntimeRefused else kind("It broke.")
    assert made.message == "It broke."
    assert made.remedy.endswith(".")
    assert len(made.remedy.split()) >= 4
    assert kind is RuntimeFailure or made.remedy != RuntimeFailure.remedy


def test_codes_are_not_shared() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(set(codes)) == len(codes)
    named = {errors.RuntimeUnreachable, errors.RuntimeTimedOut, errors.RuntimeRefused}
    assert named | {errors.ContractBroken, errors.WrongGeneration} <= set(kinds())
