"""What was compressed shows every change of it, and expands no further than was said."""

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from messages.frame import seal, unseal

MOST = 1 << 20


@given(st.binary(max_size=5000))
def test_contents_come_back_as_they_were(contents: bytes) -> None:
    assert unseal(seal(contents), MOST) == contents


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_a_changed_bit_never_gives_other_contents(contents: bytes, data: st.DataObject) -> None:
    frame = bytearray(seal(contents))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = unseal(bytes(frame), MOST)
    except RemoteProtocolError:
        return
    assert found == contents  # a bit that means nothing


def test_a_wrong_checksum_is_told_as_such() -> None:
    frame = bytearray(seal(b"windows" * 9))
    frame[-1] ^= 1
    with pytest.raises(RemoteProtocolError, match="checksum is wrong"):
        unseal(bytes(frame), MOST)


def test_a_frame_without_a_checksum_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no checksum"):
        unseal(zstandard.compress(b"windows"), MOST)


def test_a_frame_that_would_expand_beyond_the_limit_is_refused_before_it_does() -> None:
    with pytest.raises(RemoteProtocolError, match="expands"):
        unseal(seal(bytes(MOST + 1)), MOST)
    assert len(unseal(seal(bytes(MOST)), MOST)) == MOST
