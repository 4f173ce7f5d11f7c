"""Numbers and durations of the command line are finite, in range and in the unit they say."""

from collections.abc import Sequence

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from foundation.options import FiniteRange, milliseconds


@click.command()
@click.option("--share", type=FiniteRange(0.5, 2.0), default=1.0)
@click.option("--every", callback=milliseconds, default="1s")
def shown(share: float, every: float) -> None:
    click.echo(f"{share!r} {every!r}")


def said(arguments: Sequence[str]) -> tuple[int, str]:
    done = CliRunner().invoke(shown, list(arguments))
    return done.exit_code, done.output


@pytest.mark.parametrize("value", ["nan", "NaN", "-nan", "inf", "-inf", "2.1", "0.49", "x", ""])
def test_what_is_no_number_in_the_range_is_wrong_usage(value: str) -> None:
    code, told = said(["--share", value])
    assert code == 2
    assert "--share" in told


@given(st.floats(0.5, 2.0))
def test_a_number_in_the_range_is_taken_as_it_is(value: float) -> None:
    assert said(["--share", repr(value)]) == (0, f"{value!r} 1000.0\n")


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [
        ("500", 500.0),
        ("500ms", 500.0),
        ("1s", 1_000.0),
        ("1.5 s", 1_500.0),
        (" 2m ", 120_000.0),
        ("250us", 0.25),
        ("250µs", 0.25),
        (".5s", 500.0),
        ("86400s", 86_400_000.0),
    ],
)
def test_a_duration_is_in_milliseconds_unless_it_says_otherwise(
    value: str, expected_ms: float
) -> None:
    assert said(["--every", value]) == (0, f"1.0 {expected_ms!r}\n")


@pytest.mark.parametrize("value", ["", "0", "-1s", "1h", "s", "1e3", "nan", "inf", "86401s", "1s2"])
def test_what_is_no_duration_is_wrong_usage_that_shows_how(value: str) -> None:
    code, told = said(["--every", value])
    assert code == 2
    assert "write 500ms, 1s" in told
