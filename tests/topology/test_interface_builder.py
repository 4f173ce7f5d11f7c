import pytest


def test_duplicate_address_names_both_lines(fault, site):
    error = fault(site("a") + site("b"))
    assert "address 10.0.0.1 is already in use (at sites.toml:10)" in error.text.en


def test_one_address_in_two_spellings_is_a_duplicate(fault, site):
    more = '[[site.interface]]\ncarrier = "mobile"\nipv6 = "FD00:0::1"\n'
    error = fault(
        site("a", more=more) + site("b", number=2, more=more.replace("FD00:0::1", "fd00::1"))
    )
    assert "fd00::1 is already in use" in error.text.en


def test_unknown_carrier_is_refused_where_carriers_are_declared(fault, parse, site):
    assert parse(site("a")).carriers["telecom"].en == "China Telecom"
    error = fault("[carriers.telecon]\n" + site("a"))
    assert "carrier `telecom` is not declared under [carriers]; did you mean `telecon`?" in (
        error.text.en
    )


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("10.0.0", "may mean 10.0.0.0 or a host named 10.0.0"),
        ("010.0.0.1", "may mean 8.0.0.1 (leading zeros are octal) or 10.0.0.1 (all decimal)"),
        ("10.0.0.256", "is not an IPv4 address"),
        ("10.0.0.1/24", "prefix length"),
        ("example.com", "names are not resolved"),
        ("0.0.0.0", "unspecified"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ("fe80::1%eth0", "link-local"),
        ("fe80::1", "link-local"),
    ],
)
def test_malformed_address_is_refused(fault, site, address, says):
    assert says in fault(site("a").replace("10.0.0.1", address)).text.en


def behind_nat(site, local: str, more: str = "") -> str:
    return site("a").replace('"10.0.0.1"', f'"203.0.113.1"\nlocal = "{local}"') + more


SECOND = '[[site.interface]]\ncarrier = "mobile"\naddress = "{}"\nlocal = "{}"\n'


def test_local_address_of_an_interface_is_kept_in_canonical_form(parse, site):
    more = SECOND.format("2001:db8::7", "FD00:0::1")
    interfaces = parse(behind_nat(site, "10.9.0.1", more)).sites["a"].interfaces
    assert [(one.address, one.local) for one in interfaces] == [
        ("203.0.113.1", "10.9.0.1"),
        ("2001:db8::7", "fd00::1"),
    ]


def test_two_sites_may_have_the_same_local_address(parse, site):
    other = site("b", number=2).replace('"10.0.0.2"', '"203.0.113.2"\nlocal = "10.9.0.1"')
    network = parse(behind_nat(site, "10.9.0.1") + other)
    assert {one.interfaces[0].local for one in network.sites.values()} == {"10.9.0.1"}


@pytest.mark.parametrize(
    ("local", "says"),
    [
        ("0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("010.9.0.1", "may mean 8.9.0.1"),
        ("10.9.0.1/24", "prefix length"),
        ("gateway", "names are not resolved"),
        ("fd00::1", "of another IP version"),
        ("fe80::1", "link-local"),
        ("203.0.113.9", "is also the address of site `a` (mobile)"),
        ("10.0.0.2", "is also the address of site `b` (telecom)"),
        ("10.9.0.9", "is given for both 203.0.113.1 and 203.0.113.9 of site `a`"),
    ],
)
def test_local_address_that_can_not_be_meant_is_refused(fault, site, local, says):
    more = SECOND.format("203.0.113.9", "10.9.0.9") + site("b", number=2)
    assert says in fault(behind_nat(site, local, more)).text.en


def test_ipv6_local_addresses_are_held_to_the_same(fault, site):
    for local, says in (("::", "unspecified"), ("ff02::1", "multicast"), ("fd00::1", "both")):
        more = SECOND.format("2001:db8::1", "fd00:0::1")
        more += SECOND.format("2001:db8::2", local).replace("mobile", "unicom")
        assert says in fault(site("a", more=more)).text.en


def test_address_under_the_other_family_is_refused(fault, site):
    error = fault(site("a").replace("address =", "ipv6 ="))
    assert "`10.0.0.1` is an IPv4 address under `ipv6`; move it" in error.text.en


def test_two_addresses_of_one_family_on_one_carrier_are_refused(fault, site):
    more = '[[site.interface]]\ncarrier = "telecom"\naddress = "10.0.0.9"\n'
    assert "already has an IPv4 address" in fault(site("a") + more).text.en


def test_interface_without_address_is_refused(fault, site):
    assert "no `address`" in fault(site("a").replace('address = "10.0.0.1"', "")).text.en


def test_both_addresses_of_a_carrier_are_interfaces_of_their_own(parse, site):
    text = site("a").replace("address =", 'ipv6 = "FD00::1"\nipv4 =')
    found = parse(text).sites["a"].interfaces
    assert [(one.id, one.address, one.ip_version) for one in found] == [
        ("a.telecom.v4", "10.0.0.1", 4),
        ("a.telecom.v6", "fd00::1", 6),
    ]


def test_local_address_stands_for_the_one_of_its_version(parse, site):
    text = behind_nat(site, "10.9.0.1") + 'ipv6 = "fd00::1"\n'
    found = parse(text).sites["a"].interfaces
    assert {one.ip_version: one.local for one in found} == {4: "10.9.0.1", 6: None}


def test_local_address_is_refused_at_its_own_line(fault, site):
    error = fault(behind_nat(site, "10.9.0.1", SECOND.format("203.0.113.9", "10.9.0.1")))
    assert error.text.en.startswith("sites.toml:15: 10.9.0.1 is given for both 203.0.113.1 and ")
    assert error.fields["key"] == "site[1].interface[2].local"
