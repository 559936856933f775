"""Which stored samples have been there long enough; by the monotonic clock.

The time of day won't do. A portal whose clock is an hour ahead for a moment would delete all
recent samples, and with a clock that had been an hour behind, those that it stored meanwhile.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Recent:
    """Remembers when which key was the newest. A process that has just begun knows nothing,
    and lets samples stay for as long again.
    """

    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def older_than(self, kept_s: float, *, newest: int, mono: float) -> int:
        """The key up to which all is older than `kept_s`; 0 when that is not known.

        `newest` is the highest key now, at the monotonic time `mono`.
        """
        self._marks.append((mono, newest))
        while len(self._marks) > 1 and mono - self._marks[1][0] >= kept_s:
            self._marks.popleft()
        since, key = self._marks[0]
        return key if mono - since >= kept_s else 0
