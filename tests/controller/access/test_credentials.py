"""When a token or certificate counts, and every reason for which it does not."""

import pytest

from controller.access.credentials import (
    RENEWALS,
    RENEWALS_NS,
    CertificateRecord,
    CredentialError,
    TokenRecord,
    refuse_ended_certificate,
    refuse_ended_token,
    refuse_frequent_renewals,
)
from controller.access.roles import Identity

SECOND = 1_000_000_000


def token(**more: int) -> TokenRecord:
    ends: dict[str, int | None] = {"expires_ns": None, "used_ns": None, "revoked_ns": None}
    return TokenRecord(
        id="a1", role="viewer", agent=None, label="x", digest=b"", created_ns=0, **(ends | more)
    )


def certificate(issued_ns: int, revoked_ns: int | None = None) -> CertificateRecord:
    return CertificateRecord(
        serial="1", agent="nanjing", issued_ns=issued_ns, expires_ns=100, revoked_ns=revoked_ns
    )


AGENT = Identity(kind="agent", name="nanjing", credential="1", expires_ns=100)


def test_a_token_counts_until_the_instant_at_which_it_expires() -> None:
    refuse_ended_token(token(), 1 << 62)
    refuse_ended_token(token(expires_ns=100), 99)
    with pytest.raises(CredentialError) as told:
        refuse_ended_token(token(expires_ns=100), 100)
    assert told.value.code == "expired_token"


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({"used_ns": 5}, "used_token"),
        ({"revoked_ns": 5}, "revoked_token"),
        ({"used_ns": 5, "revoked_ns": 6, "expires_ns": 7}, "revoked_token"),
        ({"used_ns": 5, "expires_ns": 7}, "used_token"),
    ],
)
def test_an_ended_token_is_refused_for_what_ended_it(ends: dict[str, int], code: str) -> None:
    with pytest.raises(CredentialError) as told:
        refuse_ended_token(token(**ends), 50)
    assert told.value.code == code
    assert "a1" in told.value.text.en
    assert "a1" in told.value.text.zh


def test_a_certificate_counts_until_it_is_revoked_or_over() -> None:
    refuse_ended_certificate(AGENT, certificate(0), 99, barred=True)  # it has a record
    for record, now_ns, code in (
        (certificate(0, revoked_ns=5), 50, "revoked_certificate"),
        (certificate(0), 100, "expired_certificate"),
    ):
        with pytest.raises(CredentialError) as told:
            refuse_ended_certificate(AGENT, record, now_ns, barred=False)
        assert told.value.code == code


def test_a_certificate_without_a_record_counts_unless_its_agent_is_barred() -> None:
    refuse_ended_certificate(AGENT, None, 50, barred=False)
    with pytest.raises(CredentialError) as told:
        refuse_ended_certificate(AGENT, None, 50, barred=True)
    assert told.value.code == "revoked_certificate"


def test_renewals_within_an_hour_are_counted_and_the_wait_is_told() -> None:
    now_ns = 10 * RENEWALS_NS
    lately = [certificate(now_ns - n * SECOND) for n in range(RENEWALS)]  # newest first
    refuse_frequent_renewals(lately[:-1], now_ns)
    refuse_frequent_renewals([*lately[:-1], certificate(now_ns - RENEWALS_NS)], now_ns)
    with pytest.raises(CredentialError) as told:
        refuse_frequent_renewals(lately, now_ns)
    assert told.value.code == "too_many_renewals"
    wait_ns = (told.value.retry_after_s or 0) * SECOND
    refuse_frequent_renewals(lately, now_ns + wait_ns)


def test_renewals_by_a_clock_a_little_ahead_count_and_by_one_far_ahead_lock_nobody_out() -> None:
    little = [certificate(SECOND * n) for n in range(RENEWALS, 0, -1)]
    with pytest.raises(CredentialError, match="within an hour"):
        refuse_frequent_renewals(little, 0)
    far = [certificate(SECOND * n + RENEWALS_NS) for n in range(RENEWALS, 0, -1)]
    refuse_frequent_renewals(far, 0)
