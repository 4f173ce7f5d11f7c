"""What a server's certificate may be for: host names and addresses, and nothing around them."""

import pytest

from controller.access.host_names import certified_host


@pytest.mark.parametrize(
    ("name", "certified"),
    [
        ("Ctl.Example.org.", "ctl.example.org"),
        ("南京.example", "xn--1lqq7i.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("ctl_1", "ctl_1"),
    ],
)
def test_names_and_addresses_are_certified_as_certificates_have_them(
    name: str, certified: str
) -> None:
    assert certified_host(name) == certified
