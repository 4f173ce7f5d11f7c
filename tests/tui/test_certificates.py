"""What is wrong with a controller's certificate is said by what OpenSSL found."""

import ssl
from datetime import UTC, datetime

import pytest

from tui.certificates import fault_of

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


def refused(code: int, message: str = "as OpenSSL says") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_code, error.verify_message = code, message
    return error


# Codes of OpenSSL's x509_vfy.h.
@pytest.mark.parametrize(
    ("code", "en", "zh"),
    [
        (9, "not valid yet, by this machine's clock (2026-03-01 08:30 UTC)", "尚未生效"),
        (10, "has expired", "已过期"),
        (18, "--ca", "--ca"),
        (20, "--ca", "--ca"),
        (62, "init --name", "init --name"),
        (64, "init --name", "init --name"),
    ],
)
def test_each_fault_says_what_to_do_about_it(code: int, en: str, zh: str) -> None:
    said = fault_of(refused(code), NOW)
    assert en in said[0]
    assert zh in said[1]


def test_a_fault_we_have_no_words_for_is_told_in_openssls() -> None:
    en, zh = fault_of(refused(79, "invalid CA {now}"), NOW)
    assert "invalid CA {now}" in en
    assert "invalid CA {now}" in zh
    assert "handshake" in fault_of(ssl.SSLError(1, "handshake"), NOW)[0]
