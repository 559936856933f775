"""Percentages that follow from two other columns: stored as the distance from what those say.

A runtime tells its RAM as bytes and as a percentage; of the second, nothing is left to store
but a zero. The arithmetic is that of IEEE doubles in one fixed order, the same everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from apps.history.codec.columns import Array, Column
from apps.history.errors import BlockBroken
from apps.history.metrics import Ratio

FARTHEST = 2
"""In steps of the percentage. A column with a value further off is stored by itself."""

Columns = Sequence[Column | None]


class Rested(NamedTuple):
    """What a stored column says of the two that it follows from: places, and how."""

    part: int
    whole: int
    rest: bool
    scale: int


def _said(part: Array, whole: Array, *, rest: bool, scale: int) -> Array:
    """The percentage in steps, as the parts have it. `whole` has no zero."""
    share = whole - part if rest else part
    return np.rint(share.astype(np.float64) * (100.0 * scale) / whole.astype(np.float64))


def _is_plain(column: Column | None) -> bool:
    return column is not None and column.present is None and column.values.dtype == np.int64


def residuals(
    blocks: Sequence[Columns], ratios: Sequence[Sequence[Ratio]]
) -> dict[tuple[int, int], tuple[Ratio, Array]]:
    """(Block, place) → by which ratio, and the distances to store in the column's stead.

    Only where every value is near what the parts say.
    """
    alike: dict[tuple[Ratio, int], list[int]] = defaultdict(list)
    for number, (columns, known) in enumerate(zip(blocks, ratios, strict=bool(ratios))):
        for ratio in known:
            three = [columns[place] for place in (ratio.place, ratio.part, ratio.whole)]
            if all(_is_plain(column) for column in three):
                alike[ratio, three[0].values.size].append(number)  # type: ignore[union-attr]
    found: dict[tuple[int, int], tuple[Ratio, Array]] = {}
    for (ratio, _), numbers in alike.items():
        own, part, whole = (
            np.stack([blocks[number][place].values for number in numbers])  # type: ignore[union-attr]
            for place in (ratio.place, ratio.part, ratio.whole)
        )
        sound = (whole.min(axis=1) > 0) & (part.min(axis=1) >= 0)
        sound &= (part <= whole).all(axis=1)
        said = _said(part[sound], whole[sound], rest=ratio.rest, scale=ratio.scale)
        distance = own[sound] - said.astype(np.int64)
        near = (np.abs(distance) <= FARTHEST).all(axis=1)
        for place, row in zip(np.flatnonzero(sound)[near].tolist(), distance[near], strict=True):
            found[numbers[place], ratio.place] = (ratio, row)
    return found


def rested(distance: Column | None, columns: Columns, ratio: Rested) -> Column:
    """The column again. Raises BlockBroken."""
    part, whole = columns[ratio.part], columns[ratio.whole]
    three = (distance, part, whole)
    if not all(_is_plain(column) for column in three) or not ratio.scale:
        raise BlockBroken("A stored block has a column that follows from others that it lacks.")
    own, parts, wholes = (column.values for column in three if column is not None)
    if not wholes.all():
        raise BlockBroken("A stored block has a percentage of nothing.")
    with np.errstate(over="ignore", invalid="ignore"):
        said = _said(parts, wholes, rest=ratio.rest, scale=ratio.scale)
        return Column(own + said.astype(np.int64))
