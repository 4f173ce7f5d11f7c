"""Numbers as the API says them: what is unknown is null, and an age is never negative."""

import math

import msgspec
import numpy as np
import pytest

from controller.documents.values import StreamIdText, age_ms, finite


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf, np.float64(np.nan)])
def test_what_is_no_number_is_null(unknown: float) -> None:
    assert finite(unknown) is None


def test_a_number_of_an_array_is_a_plain_one_and_zero_is_known() -> None:
    assert finite(np.float32(0.0)) == 0.0
    assert type(finite(np.float64(2.5))) is float


def test_what_never_was_has_no_age() -> None:
    assert age_ms(None, 5_000_000_000) is None
    assert age_ms(0, 5_000_000_000) is None


def test_an_age_is_in_whole_milliseconds_and_of_a_clock_behind_none() -> None:
    assert age_ms(1_000_000_000, 3_001_999_999) == 2001
    assert age_ms(3_000_000_000, 1_000_000_000) == 0


@pytest.mark.parametrize("text", ["", "-1", "1e3", "9" * 21, " 1"])
def test_the_id_of_a_stream_is_decimal_text(text: str) -> None:
    assert msgspec.convert("18446744073709551615", StreamIdText) == str(2**64 - 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, StreamIdText)
