"""Durations on the command line: ``500ms``, ``1s``, ``2m``, or a bare number of milliseconds."""

from __future__ import annotations

import math
import re

import click

_UNITS_MS = {"": 1.0, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
_PATTERN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(us|µs|ms|s|m|)")
_LONGEST_MS = 86_400e3


def milliseconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return a duration option's value in milliseconds (a click callback)."""
    match = _PATTERN.fullmatch(value.strip())
    duration_ms = float(match[1]) * _UNITS_MS[match[2]] if match else math.nan
    if not 0 < duration_ms <= _LONGEST_MS:
        raise click.BadParameter(
            f"{value!r} is not a duration; write 500ms, 1s, or a number of milliseconds.",
            ctx,
            param,
        )
    return duration_ms
