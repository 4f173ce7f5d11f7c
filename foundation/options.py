"""Numbers on the command line: those that click would let through although they are none."""

from __future__ import annotations

import gettext
import math
from typing import Any

import click


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
