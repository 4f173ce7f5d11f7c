"""Whatever bytes come, there is a document or a DecodeError."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.channel.link import refusal_code, refusal_of
from foundation.json_document import decode_json
from messages.enrolment import RenewalRequest


@given(
    st.binary(max_size=200) | st.binary(max_size=20).map(lambda raw: b'{"request":"' + raw + b'"}')
)
def test_bytes_give_a_document_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        decode_json(data, RenewalRequest)


@pytest.mark.parametrize(
    "data",
    [b'{"request":"\xff"}', b"[" * 200_000, '{"request":"\udc80"}', b'{"request":"\xed\xa0\x80"}'],
)
def test_no_utf8_and_depth_are_decode_errors(data: bytes | str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_json(data, RenewalRequest)


def test_answer_in_another_encoding_is_told_by_its_status() -> None:
    body = '{"error":{"code":"x","message":{"en":"é","zh":"é"}}}'.encode("latin-1")
    assert refusal_code(body) == ""
    assert refusal_of(502, body).en == "HTTP status 502."
