"""A certificate is good until it ends, and revoked for ever."""

import pytest

from controller.access.credentials import CertificateRecord
from controller.documents.certificates import issued_certificate


@pytest.mark.parametrize(
    ("revoked_ns", "now_ns", "state"),
    [
        (None, 99, "good"),
        (None, 100, "expired"),
        (50, 99, "revoked"),
        (50, 100, "revoked"),
    ],
)
def test_state_follows_the_clock_and_what_was_revoked(
    revoked_ns: int | None, now_ns: int, state: str
) -> None:
    record = CertificateRecord(
        serial="ab", agent="nanjing", issued_ns=1, expires_ns=100, revoked_ns=revoked_ns
    )
    found = issued_certificate(record, now_ns)
    assert (found.state, found.serial, found.agent) == (state, "ab", "nanjing")
    assert (found.issued_ns, found.expires_ns, found.revoked_ns) == (1, 100, revoked_ns)
