"""Numbers and durations on the command line, finite and in range."""

from __future__ import annotations

import gettext
import math
import re
from typing import Any

import click

_UNITS_MS = {"": 1.0, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
_PATTERN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(us|µs|ms|s|m|)")
_LONGEST_MS = 86_400e3


class FiniteRange(click.FloatRange):
    """A number between two bounds. click takes NaN for one that is in every range."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__(min=least, max=most)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number. Raises click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            said = gettext.gettext("{value} is not in the range {range}.")
            self.fail(said.format(value=value, range=self._describe_range()), param, ctx)
        return number


def milliseconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return ``500ms``, ``1s``, ``2m`` or a bare number in milliseconds (a click callback)."""
    match = _PATTERN.fullmatch(value.strip())
    duration_ms = float(match[1]) * _UNITS_MS[match[2]] if match else math.nan
    if not 0 < duration_ms <= _LONGEST_MS:
        raise click.BadParameter(
            f"{value!r} is not a duration; write 500ms, 1s, or a number of milliseconds.",
            ctx,
            param,
        )
    return duration_ms
