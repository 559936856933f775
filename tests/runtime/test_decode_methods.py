"""Methods of the usual shape are read in one go, with the same result as key by key."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.runtime import decode
from apps.runtime.errors import ContractBroken
from apps.runtime.fields import Fields
from apps.runtime.types import Container, Target

TARGET = Target(0, "10.0.0.7")
USUAL: dict[str, Any] = {
    "id": 9,
    "name": "Monitor",
    "coefficient": 56.8,
    "mape": 0.2,
    "wall_coefficient": 2869.0,
    "wall_mape": 0.2,
}
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**33),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=5),
    st.just("x" * 300),
    st.just("a\0b"),
)


def read(method: Any, *, plain: bool) -> Any:
    """Methods as decoded, or what the decoder said; `plain` False: key by key only."""
    container = {
        "pool_id": "1.0",
        "pool_name": "admin",
        "chimod_name": "clio_admin",
        "container_id": 0,
        "learning_rate": 0.2,
        "methods": [method],
    }
    patch = pytest.MonkeyPatch()
    if not plain:
        patch.setattr(decode, "_plain_method", lambda raw: None)
    try:
        found: tuple[Container, ...] = decode.decode_containers(
            msgpack.packb([container]), target=TARGET
        )
    except ContractBroken as error:
        return error.message
    finally:
        patch.undo()
    return found[0].methods


def test_the_usual_shape_is_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    method = decode._plain_method(USUAL)
    assert method is not None
    assert read(USUAL, plain=False) == (method,)
    looked_at: list[str] = []

    def note(fields: Fields, key: str) -> int:
        looked_at.append(key)
        return 0

    monkeypatch.setattr(Fields, "identifier", note)
    assert read(USUAL, plain=True) == (method,)
    assert looked_at == ["container_id"]


def test_padding_is_left_out_either_way() -> None:
    padding = USUAL | {"name": ""}
    assert read(padding, plain=True) == () == read(padding, plain=False)


@given(st.dictionaries(st.sampled_from([*USUAL, "added_later"]), ODD_VALUES, max_size=7))
def test_any_other_value_comes_out_the_same(changes: dict[str, Any]) -> None:
    method = USUAL | changes
    assert repr(read(method, plain=True)) == repr(read(method, plain=False))


@given(st.sets(st.sampled_from(list(USUAL))))
def test_missing_keys_are_told_the_same(missing: set[str]) -> None:
    method = {key: value for key, value in USUAL.items() if key not in missing}
    assert read(method, plain=True) == read(method, plain=False)
