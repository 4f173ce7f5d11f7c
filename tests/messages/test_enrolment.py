"""An enrolment token survives being carried by a person, and its secret is shown nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import ConfigError
from messages.enrolment import (
    EnrolmentRequest,
    EnrolmentToken,
    parse_enrolment_token,
    plan_message,
)

TOKENS = st.builds(
    EnrolmentToken,
    id=st.text("0123456789abcdef", min_size=8, max_size=8),
    secret=st.text("ABCxyz019_-", min_size=43, max_size=43),
    fingerprint=st.text("0123456789abcdef", min_size=64, max_size=64),
    agent=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True),
)


@given(TOKENS, st.sampled_from(["", "\n", "  ", "\r\n\t"]))
def test_a_token_comes_back_from_its_text_whatever_blank_is_around_it(
    token: EnrolmentToken, blank: str
) -> None:
    assert parse_enrolment_token(f"{blank}{token.text()}{blank}") == token


@given(TOKENS, st.data())
def test_a_token_that_was_copied_in_part_is_none(
    token: EnrolmentToken, data: st.DataObject
) -> None:
    text = token.text()
    shortest = len(text) - len(token.agent)
    with pytest.raises(ConfigError, match="copy the whole line"):
        parse_enrolment_token(text[: data.draw(st.integers(0, shortest))])


@given(st.text(max_size=100))  # shorter than any token
def test_arbitrary_text_is_a_sentence_in_both_languages(text: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_enrolment_token(text)
    assert "注册令牌" in told.value.text.zh


@given(TOKENS)
def test_its_secret_is_not_in_what_is_logged(token: EnrolmentToken) -> None:
    assert token.secret not in repr(token)
    assert token.secret not in repr(EnrolmentRequest(token=token.text(), request="csr"))


@given(st.binary(min_size=1, max_size=40), st.data())
def test_where_a_plan_ends_and_its_keys_begin_is_signed_too(
    both: bytes, data: st.DataObject
) -> None:
    one, other = (data.draw(st.integers(0, len(both) - 1)) for _ in range(2))
    signed = [plan_message(both[:end], both[end:]) for end in (one, other)]
    assert (signed[0] == signed[1]) == (one == other)
    assert plan_message(both) not in signed  # a plan without keys
