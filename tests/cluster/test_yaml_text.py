"""YAML: plain data, bounded, with pool ids as written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster.yaml_text import YamlProblem, yaml_parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pool_id: 301.10", {"pool_id": "301.10"}),
        ("next_pool_id: 512.0", {"next_pool_id": "512.0"}),
        ("staging_pool_id: 561", {"staging_pool_id": "561"}),
        ("pool_id: '301.10'", {"pool_id": "301.10"}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 1_000", {"a": 1000}),
        ("a: 2026-11-22", {"a": "2026-11-22"}),
        ("a: 2026-11-22T01:02:03Z", {"a": "2026-11-22T01:02:03Z"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: .nan", {"a": ".nan"}),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
        ("a: yes", {"a": True}),
        ("a: ~", {"a": None}),
        ("1: b", {"1": "b"}),
        ("null: b", {"null": "b"}),
        ("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2},
                                                        "use": {"x": 1, "y": 3}}),
        ("", None),
    ],
)  # fmt: skip
def test_values(text: str, expected: Any) -> None:
    assert yaml_parse(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ("a: [1", 1, 6, "expected"),
        ("a: 1\n\tb: 2", 2, 1, "tab|token"),
        ("a: 1\na: 2", 2, 1, "also on line 1"),
        ("a: !!python/object/apply:os.system [x]", 1, 4, "tag"),
        ("a: !!binary aGk=", 1, 4, "tag"),
        ("a: !mine x", 1, 4, "tag"),
        ("? [a, b]\n: c", 1, 3, "key"),
        ("a: &x [*x]", 1, 4, "refers to what contains it"),
        ("a: 1\n---\nb: 2", 2, 1, "another document|single document"),
        ("a: 1\nb: \x07", 2, 4, "U\\+0007"),
    ],
)
def test_what_is_refused_is_located(text: str, line: int, column: int, word: str) -> None:
    with pytest.raises(YamlProblem, match=word) as caught:
        yaml_parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YamlProblem, match="more than 100000 values"):
        yaml_parse("\n".join(lines))


def test_a_merge_bomb_is_refused() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    with pytest.raises(YamlProblem, match="more than 100000 values"):
        yaml_parse("\n".join(lines))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(YamlProblem, match="nested too deeply"):
        yaml_parse("[" * 5000)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        value = yaml_parse(text)
    except YamlProblem:
        return
    # What comes out can be stored: JSON has no NaN, no infinity, and text keys only.
    json.dumps(value, allow_nan=False)
