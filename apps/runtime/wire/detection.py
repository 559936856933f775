"""Finding out a runtime's wire generation without harming it. No sockets, no clock.

Only the 2.3 ClientConnect is harmless everywhere. What follows it tells the rest: an
answer is 2.3; a dial-back without an answer is 2.2, which then may be asked in its
own layout; silence is 2.0 or a stuck runtime, which nobody can tell apart, so
a 2.0 frame (it hangs the newer ones for ever) goes out on the operator's word only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from apps.runtime.errors import RuntimeFailure, RuntimeTimedOut, WrongGeneration
from apps.runtime.types import Target, WireGeneration


@dataclass(frozen=True, slots=True)
class DetectionTimes:
    """How long to wait for an answer, and before asking a silent runtime once more."""

    answer_s: float = 4.0
    pause_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: at most one ClientConnect, then wait; or it is over."""

    send: WireGeneration | None = None
    wait_s: float | None = None
    proven: WireGeneration | None = None
    failure: RuntimeFailure | None = None


class Stage(Enum):
    FIRST = auto()
    PAUSED = auto()
    SECOND = auto()
    NEWER = auto()
    LEGACY = auto()
    PROVEN = auto()
    FAILED = auto()


NOTHING = Step()


class Detection:
    """One connection's detection. Each method returns the step to take."""

    def __init__(
        self,
        target: Target,
        *,
        configured: WireGeneration | None,
        allow_legacy_probe: bool,
        last_known: WireGeneration | None,
        dialback: str,
        times: DetectionTimes,
    ) -> None:
        self._target = target
        self._configured = configured
        self._allow_legacy_probe = allow_legacy_probe
        self._last_known = last_known
        self._dialback = dialback
        self._times = times
        self._dialled_back = False
        self.stage = Stage.FIRST

    def begin(self) -> Step:
        return self._ask(Stage.FIRST, WireGeneration.V2_3)

    def replied(self, generation: WireGeneration) -> Step:
        """A ClientConnect of this generation was answered, however late."""
        if self._configured not in (None, generation):
            return self._not_configured(f"it is of generation {generation}")
        self.stage = Stage.PROVEN
        return Step(proven=generation)

    def dialled_back(self) -> Step:
        """The runtime has dialled the port that only it was given."""
        self._dialled_back = True
        if self.stage in (Stage.PAUSED, Stage.FAILED):
            return self._ask_newer()
        return NOTHING

    def elapsed(self) -> Step:
        """The time of the last step is over without an answer."""
        match self.stage:
            case Stage.FIRST | Stage.SECOND if self._dialled_back:
                return self._ask_newer()
            case Stage.FIRST:
                self.stage = Stage.PAUSED
                return Step(wait_s=self._times.pause_s)
            case Stage.PAUSED:
                return self._ask(Stage.SECOND, WireGeneration.V2_3)
            case Stage.SECOND:
                return self._silent_twice()
            case Stage.NEWER:
                return self._silent("it dialled back, and answers in no known layout")
            case Stage.LEGACY:
                return self._silent("it answers in no known layout")
            case Stage.PROVEN | Stage.FAILED:
                return NOTHING

    def _ask(self, stage: Stage, generation: WireGeneration) -> Step:
        self.stage = stage
        return Step(send=generation, wait_s=self._times.answer_s)

    def _ask_newer(self) -> Step:
        if self._configured is WireGeneration.V2_0:
            return self._not_configured("it dials back, which 2.0 does not")
        if self._configured is WireGeneration.V2_3:
            return self._not_configured("it dials back, but does not answer a 2.3 request")
        return self._ask(Stage.NEWER, WireGeneration.V2_2)

    def _silent_twice(self) -> Step:
        if self._last_known in (WireGeneration.V2_2, WireGeneration.V2_3):
            return self._silent(f"it was of generation {self._last_known} before")
        if self._configured is WireGeneration.V2_3:
            return self._silent("it is configured as generation 2.3")
        if self._configured is WireGeneration.V2_2:
            return self._silent(f"as generation 2.2 it would dial back to {self._dialback}")
        if self._configured is WireGeneration.V2_0 or self._allow_legacy_probe:
            return self._ask(Stage.LEGACY, WireGeneration.V2_0)
        self.stage = Stage.FAILED
        return Step(
            failure=WrongGeneration(
                f"{self._target}: no answer to a 2.3 request and no dial-back to "
                f"{self._dialback}, twice. It is of generation 2.0, or its client port is "
                "stuck, or it can't reach that address."
            )
        )

    def _silent(self, why: str) -> Step:
        self.stage = Stage.FAILED
        return Step(failure=RuntimeTimedOut(f"{self._target} does not answer; {why}."))

    def _not_configured(self, why: str) -> Step:
        self.stage = Stage.FAILED
        return Step(
            failure=WrongGeneration(
                f"{self._target} is configured as generation {self._configured}, but {why}.",
                remedy=(
                    "Unset CLIO_PORTAL_WIRE_GENERATION to have it detected, or set the "
                    "runtime's true generation; a wrong value can hang the runtime."
                ),
            )
        )
