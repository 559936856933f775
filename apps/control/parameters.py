"""What may be said along with an action: named, within bounds, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.common.errors import PortalError

Values = dict[str, int]
"""Name of a parameter → what was given. What was not given is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A whole number from `least` to `most`."""

    name: str
    title: str
    """As beside a field."""
    words: str
    """What it does, and what holds without it."""
    unit: str
    least: int
    most: int


class ParameterWrong(PortalError):
    """Not one of the action's parameters, or not within its bounds."""

    def __init__(self, name: str, message: str, remedy: str) -> None:
        super().__init__(
            message, code="bad_parameter", status=400, remedy=remedy, extra={"parameter": name}
        )


def parameters_checked(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> Values:
    """`given` as it may be kept with a job. Raises ParameterWrong (400)."""
    known = {parameter.name: parameter for parameter in parameters}
    values: Values = {}
    for name, value in sorted(given.items(), key=lambda pair: str(pair[0])):
        parameter = known.get(name)
        if parameter is None:
            names = " and ".join(known) or "none"
            message = f"The action has no parameter {str(name)[:40]!r}."
            raise ParameterWrong(str(name)[:40], message, f"Its parameters: {names}.")
        least, most = parameter.least, parameter.most
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            wanted = f"a whole number from {least} to {most} ({parameter.unit})"
            message = f"{name} is {str(value)[:40]!r}, which is not {wanted}."
            raise ParameterWrong(name, message, f"Give {name} as {wanted}, or leave it out.")
        values[name] = value
    return values
