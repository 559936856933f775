"""What can be done to a node: each action's commands, permission, time limits and goal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.common.errors import PortalError
from apps.control.parameters import Parameter, Values


class Goal(StrEnum):
    """What must be seen after a command before it counts as done."""

    DOWN = "down"
    """No runtime listens on the node's port any more."""
    ANSWERS = "answers"
    """The runtime answers, and as another process than before."""
    NONE = "none"
    """The command's own answer is the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of an action, and what must be seen after it."""

    word: str
    """What `clio_run` is told."""
    goal: Goal
    success_codes: frozenset[int]
    time_limit_s: float
    """Wall clock for the command itself."""
    watch_limit_s: float
    """How long the goal may take after the command."""
    detached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    name: str
    title: str
    """As on a button."""
    permission: str
    """Codename; see apps/accounts/roles.py."""
    steps: tuple[Step, ...]
    takes_down: bool
    """Does the node stop serving? Then people are warned where that hurts most."""
    parameters: tuple[Parameter, ...] = ()
    """What may be said along. None of it reaches a command line: `clio_run` takes nothing."""

    @property
    def changes(self) -> bool:
        """Does it do anything to the node, or does it only ask?"""
        return any(step.goal is not Goal.NONE for step in self.steps)


STOP = Step(
    word="stop",
    goal=Goal.DOWN,
    # Releases before 2.3 abort at the end of a good stop.
    success_codes=frozenset({0, 134}),
    # A hung daemon is only killed after 30 to 47 s.
    time_limit_s=75.0,
    watch_limit_s=20.0,
)
START = Step(
    word="start",
    goal=Goal.ANSWERS,
    success_codes=frozenset({0}),
    time_limit_s=20.0,
    watch_limit_s=60.0,
    detached=True,
)
STATUS = Step(
    word="status",
    goal=Goal.NONE,
    # Running, stopped, and stale or unresponsive: each is an answer.
    success_codes=frozenset({0, 1, 2}),
    time_limit_s=30.0,
    watch_limit_s=0.0,
)

WATCH = Parameter(
    name="watch_s",
    title="Watch for at most",
    words="How long the node may take after each command to be down, or to answer; then the job "
    f"has failed. Left out: {STOP.watch_limit_s:g} s to be down, {START.watch_limit_s:g} s to "
    "answer.",
    unit="seconds",
    least=5,
    most=1800,
)
"""A node with much to read takes long to start, and is no failure."""


def watch_limit_s(step: Step, parameters: Values) -> float:
    return parameters.get(WATCH.name, step.watch_limit_s)


ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        Action(
            name="shutdown",
            title="Shut down",
            permission="operate_nodes",
            steps=(STOP,),
            takes_down=True,
            parameters=(WATCH,),
        ),
        Action(
            name="restart",
            title="Restart",
            permission="operate_nodes",
            steps=(STOP, START),
            takes_down=True,
            parameters=(WATCH,),
        ),
        Action(
            name="start",
            title="Start",
            permission="operate_nodes",
            steps=(START,),
            takes_down=False,
            parameters=(WATCH,),
        ),
        Action(
            name="status",
            title="Ask for the status",
            permission="operate_nodes",
            steps=(STATUS,),
            takes_down=False,
        ),
    )
}


PARAMETERS = tuple({one: None for action in ACTIONS.values() for one in action.parameters})
"""Of all actions, each once."""


class ActionUnknown(PortalError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no action {name[:40]!r}.",
            code="action_unknown",
            status=400,
            remedy=f"Use one of {', '.join(ACTIONS)}.",
        )


def action_get(name: str) -> Action:
    """Raises ActionUnknown (400)."""
    action = ACTIONS.get(name)
    if action is None:
        raise ActionUnknown(name)
    return action
