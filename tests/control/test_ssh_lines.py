"""Output of nodes: complete, counted, bounded, and safe to show."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.control.remote import lines
from apps.control.remote.lines import LineCutter, LineSink, text_clean
from apps.control.remote.types import Line

AT = datetime(2026, 1, 2, tzinfo=UTC)


def sink_of(found: list[Line]) -> LineSink:
    return LineSink(found.append, lambda: AT)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[97mhshm.cc:31 INFO ok\x1b[0m", "hshm.cc:31 INFO ok"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]8;;http://evil\x1b\\link", "link"),
        (b"a\x1b[2J\x1b[1;1Hb", "ab"),
        (b"bell\x07 nul\x00 del\x7f", "bell\\x07 nul\\x00 del\\x7f"),
        (b"tab\tstays", "tab\tstays"),
        (b"bad \xff\xfe bytes", "bad �� bytes"),
        ("txt\u202egnp.exe".encode(), "txt\\u202egnp.exe"),
        ("größe → 5 µs".encode(), "größe → 5 µs"),
        (b"\x1b", ""),
    ],
)
def test_a_line_is_made_safe(raw: bytes, text: str) -> None:
    assert text_clean(raw) == text


@given(st.binary(max_size=300))
def test_whatever_comes_is_storable_text_on_one_line(raw: bytes) -> None:
    text = text_clean(raw)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text.splitlines()) <= 1
    text.encode("utf-8")


@given(st.lists(st.binary(max_size=20), max_size=12))
def test_where_the_bytes_are_split_makes_no_difference(pieces: list[bytes]) -> None:
    whole, parts = LineCutter(), LineCutter()
    at_once = [*whole.feed(b"".join(pieces)), *whole.finish()]
    in_pieces = [line for piece in pieces for line in parts.feed(piece)] + parts.finish()
    assert in_pieces == at_once


def test_line_ends_of_all_kinds() -> None:
    cutter = LineCutter()
    assert cutter.feed(b"a\nb\r\nc\rd\n\ne") == ["a", "b", "c", "d", ""]
    assert cutter.finish() == ["e"]


def test_an_endless_line_is_cut_and_says_how_much_is_missing() -> None:
    cutter = LineCutter()
    for _ in range(100):
        assert cutter.feed(b"x" * 10_000) == []
    [line] = cutter.feed(b"\n")
    assert line == "x" * lines.MAX_LINE_CHARS + " … (996000 more characters)"


def test_lines_are_numbered_over_both_streams() -> None:
    found: list[Line] = []
    sink = sink_of(found)
    sink.feed("stdout", b"1\n2\nunfin")
    sink.feed("stderr", b"3\n")
    sink.feed("stdout", b"ished")
    sink.finish()
    assert [(line.number, line.stream, line.text) for line in found] == [
        (1, "stdout", "1"),
        (2, "stdout", "2"),
        (3, "stderr", "3"),
        (4, "stdout", "unfinished"),
    ]
    assert {line.at for line in found} == {AT}
    assert (sink.total, sink.truncated, sink.last_error_line) == (4, False, "3")


def test_of_too_many_lines_the_beginning_and_the_end_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "MAX_LINES", 1000)
    found: list[Line] = []
    sink = sink_of(found)
    for number in range(1, 5001):
        sink.feed("stdout", b"line %d\n" % number)
    assert len(found) == 1000
    sink.finish()
    numbers = [line.number for line in found]
    assert numbers == [*range(1, 1001), *range(5001 - lines.TAIL_LINES, 5001)]
    assert [line.text for line in found] == [f"line {number}" for number in numbers]
    assert sink.total == 5000
    assert sink.truncated


def test_the_sum_of_all_lines_is_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_CHARS", 1000)
    found: list[Line] = []
    sink = sink_of(found)
    for _ in range(1000):
        sink.feed("stderr", b"y" * 100 + b"\n")
    sink.finish()
    assert [line.number for line in found] == [*range(1, 11), *range(801, 1001)]
    assert sink.truncated
