"""Columns come back exactly, and hostile ones are refused before anything is allocated for them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from foundation.errors import LocalProtocolError, RemoteProtocolError
from messages.columns import (
    ABSENT,
    EXACT_LIMIT,
    RAW,
    Budget,
    ColumnReader,
    ColumnWriter,
    WireColumn,
    pack,
    read_struct,
    unpack,
    whole_ns,
)

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
ROOM = 1 << 20


def reader(columns: dict[str, WireColumn], room: int = ROOM) -> ColumnReader:
    return ColumnReader(columns, Budget(room))


@given(st.lists(INT64, min_size=1, max_size=30))
def test_any_integers_come_back(values: list[int]) -> None:
    column = np.array(values, np.int64)
    np.testing.assert_array_equal(unpack(pack(column), len(values)), column)


@given(st.lists(INT64, min_size=1, max_size=30), st.integers(0, 2**62))
def test_octets_are_as_many_as_the_span_of_a_column_needs(values: list[int], about: int) -> None:
    planes, base, octets = pack(np.array(values, np.int64))
    assert base == min(values)
    assert len(octets) == planes * len(values)
    assert (max(values) - min(values)) >> 8 * planes == 0
    assert planes == 0 or (max(values) - min(values)) >> 8 * (planes - 1) > 0
    near = np.array([about, about + 200], np.int64)
    assert pack(near)[0] == 1  # however great the numbers are


@given(
    st.lists(st.tuples(INT64, INT64), max_size=20).map(lambda pairs: np.array(pairs, np.int64)),
)
def test_a_prediction_changes_nothing_of_what_is_read(pairs: NDArray[np.int64]) -> None:
    values, predicted = pairs.reshape(-1, 2).T
    writer = ColumnWriter()
    writer.integers("a", values, predicted)
    found = reader(writer.columns).integers("a", len(values), predicted)
    np.testing.assert_array_equal(found, values)


def test_what_was_predicted_is_not_written() -> None:
    writer = ColumnWriter()
    writer.integers("a", np.array([3, 4, 5]), np.array([3, 4, 5]))
    assert writer.columns == {}
    assert writer.expanded_bytes == 24


def test_numbers_of_48_and_64_bits_and_truths_are_columns_too() -> None:
    writer = ColumnWriter()
    ids = np.array([0, (1 << 64) - 1], np.uint64)
    writer.integers("id", ids)
    writer.integers("suspect", np.array([True, False]))
    read = reader(writer.columns)
    np.testing.assert_array_equal(read.integers("id", 2).view(np.uint64), ids)
    assert read.integers("suspect", 2, low=0, high=1).tolist() == [1, 0]
    read.finish()


FLOATS = st.one_of(
    st.just(np.nan), st.integers(-(2**53) + 1, 2**53 - 1).map(float), st.floats(-1e300, 1e300)
)


@given(st.lists(st.tuples(FLOATS, st.integers(-99, 99), st.booleans()), max_size=20))
def test_floats_come_back_to_the_whole_unit_and_what_is_absent_stays_so(
    rows: list[tuple[float, int, bool]],
) -> None:
    values = np.array([row[0] for row in rows], np.float64)
    predicted = np.array([row[1] for row in rows], np.int64)
    absent_as = np.array([row[2] for row in rows], np.bool_)
    writer = ColumnWriter()
    writer.floats("a", values, predicted, absent_as)
    read = reader(writer.columns)
    found = read.floats("a", predicted, absent_as)
    read.finish()
    great = np.abs(np.nan_to_num(values)) >= EXACT_LIMIT
    expected = values if great.any() else np.rint(values)
    np.testing.assert_array_equal(found, expected)
    assert (np.isnan(found) == np.isnan(values)).all()


def test_great_floats_are_kept_bit_by_bit() -> None:
    writer, none = ColumnWriter(), np.zeros(2, np.bool_)
    writer.floats("a", np.array([2.0**53, 0.25]), np.zeros(2, np.int64), none)
    assert list(writer.columns) == ["a" + RAW]
    writer.floats("b", np.array([1.0, np.nan]), np.zeros(2, np.int64), none)
    assert "b" + ABSENT in writer.columns


def test_infinity_is_neither_written_nor_read() -> None:
    with pytest.raises(LocalProtocolError, match="infinite"):
        ColumnWriter().floats("a", np.array([np.inf]), np.zeros(1, np.int64), np.zeros(1, np.bool_))
    raw = np.array([np.inf]).view(np.int64)
    with pytest.raises(RemoteProtocolError, match="infinite"):
        reader({"a" + RAW: pack(raw)}).floats("a", np.zeros(1, np.int64), np.zeros(1, np.bool_))


@given(
    st.tuples(st.integers(0, 8), st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=40)),
    st.integers(0, 5),
    st.integers(-300, 300),
)
def test_any_column_is_one_in_range_or_a_protocol_error(
    column: WireColumn, length: int, predicted: int
) -> None:
    try:
        found = reader({"a": column}).integers("a", length, predicted, low=-5, high=500)
    except RemoteProtocolError:
        return
    assert len(found) == length
    assert ((found >= -5) & (found <= 500)).all()


def test_a_prediction_that_overflows_is_not_let_through_as_in_range() -> None:
    column = (8, -(1 << 63), b"\xff" * 8)  # the greatest int64
    with pytest.raises(RemoteProtocolError, match="out of range"):
        reader({"a": column}).integers("a", 1, np.array([9], np.int64), low=0, high=100)


@pytest.mark.parametrize("column", [(1, 0, b"ab"), (2, 0, b"abc"), (0, 0, b"a"), (8, 0, b"")])
def test_a_column_of_another_length_is_refused(column: WireColumn) -> None:
    with pytest.raises(RemoteProtocolError, match="length is wrong"):
        unpack(column, 1)


def test_what_would_take_too_much_room_is_refused_before_it_is_made() -> None:
    read = reader({"a": (0, 7, b"")}, room=80)
    assert read.integers("a", 5).tolist() == [7] * 5
    with pytest.raises(RemoteProtocolError, match="expands beyond the limit"):
        read.integers("b", 1 << 60)


def test_a_column_nobody_asked_for_is_refused() -> None:
    read = reader({"surprise": (0, 1, b"")})
    with pytest.raises(RemoteProtocolError, match="surprise"):
        read.finish()


@given(st.lists(st.floats(), max_size=10))
def test_predictions_are_made_of_finite_numbers_alone(values: list[float]) -> None:
    column = np.array(values, np.float64)
    found = whole_ns(column)
    usable = np.abs(column) < EXACT_LIMIT
    assert (found[~usable] == 0).all()
    np.testing.assert_array_equal(found[usable], np.rint(column[usable]).astype(np.int64))


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    a: int


@given(st.binary(max_size=60))
def test_arbitrary_msgpack_gives_a_struct_or_a_protocol_error(octets: bytes) -> None:
    decoder = msgspec.msgpack.Decoder(Pair)
    assert read_struct(decoder, msgspec.msgpack.encode(Pair(a=3))) == Pair(a=3)
    try:
        read_struct(decoder, octets)
    except RemoteProtocolError:
        return
