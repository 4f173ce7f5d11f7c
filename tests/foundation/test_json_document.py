"""Whatever bytes come, there is a document or a DecodeError, and its texts can be cleaned."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.json_document import decode_json, plain_json
from foundation.text import is_plain
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


EVIL = ["\x1b[2J", "\x9b31m", "\u202eabc", "\u2066x", "a\nb", "a\rb", "\x07", "\u2028", "\x7f"]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("escaped", [True, False])
def test_no_text_of_a_document_steers_who_reads_it(evil: str, escaped: bool) -> None:
    document = {"items": [{"title": {"en": evil, "zh": "语音"}, evil: [evil]}]}
    found = plain_json(json.dumps(document, ensure_ascii=escaped).encode())
    item = msgspec.json.decode(found)["items"][0]
    texts = [item["title"]["en"], *item, *(text for text in item.values() if text == str(text))]
    assert all(is_plain(text) for text in texts)
    assert item["title"]["zh"] == "语音"


def test_what_is_clean_or_no_json_is_returned_as_it_is() -> None:
    for body in (
        '{"a": "语音 \\"x\\"", "ns": 1806000000123456789}'.encode(),
        b"<\x1b>",
        b"[" * 9999,
    ):
        assert plain_json(body) is body


@given(
    st.recursive(
        st.none()
        | st.integers(-(2**63), 2**64 - 1)
        | st.booleans()
        | st.text(st.characters(codec="utf-8")),
        lambda of: st.lists(of) | st.dictionaries(st.text("ab"), of),
    )
)
def test_only_texts_are_changed(document: object) -> None:
    found = msgspec.json.decode(plain_json(msgspec.json.encode(document)))
    assert _shape(found) == _shape(document)


def _shape(value: object) -> object:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return value
