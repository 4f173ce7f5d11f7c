"""What is probed is what was written: one reading of every address, or none."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.literals import AddressError, fault_of, read_address, read_destination, read_prefix


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("010.0.0.1", "8.0.0.1", "10.0.0.1"),
        ("127.000.000.010", "127.0.0.8", "127.0.0.10"),
        ("0177.0.0.1", "127.0.0.1", "177.0.0.1"),
        ("127.1", "127.0.0.1", "a host named 127.1"),
        ("127.0.1", "127.0.0.1", "a host named 127.0.1"),
        ("0x7f.0.0.1", "127.0.0.1", "a host named 0x7f.0.0.1"),
        ("2130706433", "127.0.0.1", "a host named 2130706433"),
        ("09.0.0.1", "9.0.0.1", "a host named 09.0.0.1"),
        ("127.0.0.1.", "127.0.0.1", "a host named 127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1", "a host named"),
        ("127。0。0。1", "127.0.0.1", "a host named"),
    ],
)
def test_what_has_two_readings_is_refused_with_both(text: str, first: str, second: str) -> None:
    with pytest.raises(AddressError) as refused:
        read_address(text)
    assert f"may mean {first}" in refused.value.text.en
    assert second in refused.value.text.en
    assert first in refused.value.text.zh


@pytest.mark.parametrize(
    "text",
    ["10.0.0.256", "1.2.3.4.5", "300.1", "1..2", "10.0.0.1:80", "[127.0.0.1]", "[::1", "::1%lo",
     "fe80::1%", "fe80::1%eth0/64", "a b", "http://example.net", "host/24", "", "::ffff:010.0.0.1"],
)  # fmt: skip
def test_what_is_neither_address_nor_name_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        read_address(text)


@pytest.mark.parametrize("text", ["nanjing.example.net", "localhost", "1e100.net", "南京.example"])
def test_names_are_left_to_the_resolver(text: str) -> None:
    assert read_address(text) is None


@given(st.ip_addresses())
def test_every_address_is_read_as_itself(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert read_address(str(address)) == address
    if address.version == 6:
        assert read_address(f"[{address.exploded}]") == address


@given(st.text(max_size=40))
def test_arbitrary_text_is_an_address_a_name_or_refused(text: str) -> None:
    for read in (read_address, read_prefix, read_destination):
        with contextlib.suppress(AddressError):
            read(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0", "unspecified"), ("::", "unspecified"), ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"), ("255.255.255.255", "broadcast"), ("0.1.2.3", "0.0.0.0/8"),
        ("240.0.0.1", "reserved"), ("fe80::1", "%eth0"), ("::ffff:192.0.2.1", "write 192.0.2.1"),
        ("::192.0.2.1", "write 192.0.2.1"),
    ],
)  # fmt: skip
def test_what_is_no_single_hosts_is_not_probed(text: str, why: str) -> None:
    fault = fault_of(ipaddress.ip_address(text))
    assert fault is not None
    assert why in fault.en
    with pytest.raises(AddressError, match=r"is|lies"):
        read_destination(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "fe80::1%lo", "169.254.1.1", "64:ff9b::1"])
def test_hosts_are_probed(text: str) -> None:
    assert str(read_destination(text)) == text


def test_an_address_of_the_other_family_is_refused() -> None:
    with pytest.raises(AddressError, match="IPv6 address"):
        read_destination("192.0.2.1", 6)


@pytest.mark.parametrize(
    "text",
    ["010.0.0.0/8", "10/8", "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/08",
     "10.0.0.0/33", "10.0.0.0/", "::ffff:10.0.0.0/104", "2001:db8::/129", "host/8"],
)  # fmt: skip
def test_prefixes_have_one_notation(text: str) -> None:
    for host_bits in (False, True):
        with pytest.raises(AddressError):
            read_prefix(text, host_bits=host_bits)


def test_an_address_within_a_network_stands_for_it_only_where_that_is_meant() -> None:
    assert str(read_prefix("10.1.2.3/8", host_bits=True)) == "10.0.0.0/8"
    with pytest.raises(AddressError, match=r"write 10\.0\.0\.0/8, or 10\.1\.2\.3"):
        read_prefix("10.1.2.3/8")
    assert str(read_prefix("fe80::1%eth0")) == "fe80::1/128"


@pytest.mark.parametrize("zone", ["a\0b", "\0", "é", "\ud800", "a b", "v" * 16, ""])
def test_what_no_interface_is_named_is_no_zone(zone: str) -> None:
    with pytest.raises(AddressError):
        read_address(f"fe80::1%{zone}")
