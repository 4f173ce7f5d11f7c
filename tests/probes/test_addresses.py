"""Link-local addresses: one address may be a host's on every link, so its zone is part of it."""

from __future__ import annotations

import pytest
from engine_run import Run, spec

from probes.addresses import pack_address, socket_address, unpack_address
from probes.stream import StreamSpec

pytestmark = pytest.mark.network
LINKS = ("v", "w")


def ten_of_each(*streams: StreamSpec) -> Run:
    """Send ten probes of each stream, a few milliseconds apart, and wait for their end."""
    return Run(*streams, probes=10).finish()


@pytest.fixture
def two_links(two_hosts):
    """The two hosts with a second link; the far one is fe80::1 on both, and the near one has
    another address on each: a SYN with that of the other link has a wrong checksum."""
    two_hosts.sh_in(two_hosts.a, "ip", "link", "add", "w", "type", "veth", "peer", "name", "w",
                    "netns", two_hosts.b)  # fmt: skip
    for name, lasts in ((two_hosts.a, "23"), (two_hosts.b, "11")):
        for link, last in zip(LINKS, lasts, strict=True):
            two_hosts.sh_in(name, "ip", "link", "set", link, "up")
            words = ["ip", "addr", "add", f"fe80::{last}/64", "dev", link, "nodad"]
            two_hosts.sh_in(name, *words)
    for link in LINKS:
        words = ["ping", "-q", "-c", "1", "-i", "0.05", "-w", "60", f"fe80::1%{link}"]
        two_hosts.sh_in(two_hosts.a, *words)
    return two_hosts


@pytest.mark.parametrize("protocol", ["icmp", "tcp"])
def test_one_address_on_two_links_is_two_destinations(
    two_links, needs_raw_sockets: None, protocol: str
) -> None:
    more = {"port": 9} if protocol == "tcp" else {}
    with two_links.inside(two_links.a):
        run = ten_of_each(
            *(
                spec(protocol, f"fe80::1%{link}", stream_id=number, **more)
                for number, link in enumerate(LINKS)
            )
        )
    assert [run.total("received", number) for number in (0, 1)] == [10, 10]
    assert sum(run.engine.health().local_drops.values()) == 0


def test_a_source_may_be_link_local_too(two_links, needs_raw_sockets: None) -> None:
    with two_links.inside(two_links.a):
        run = ten_of_each(
            spec("icmp", "fe80::1%w", stream_id=0, source="fe80::3%w"),
            spec("tcp", "fe80::1%w", stream_id=1, source="fe80::3%w", port=9),
        )
    assert not run.engine.health().refused
    assert [run.total("received", number) for number in (0, 1)] == [10, 10]


def test_python_is_given_the_zone_where_it_reads_it() -> None:
    assert socket_address("fe80::1%lo", 9)[:2] == ("fe80::1", 9)
    assert socket_address("fe80::1%lo")[3] == socket_address("fe80::1%1")[3] == 1
    assert unpack_address(pack_address("192.0.2.1", 7).tobytes()) == ("192.0.2.1", 7)


@pytest.mark.parametrize("zone", ["0", "99999", "4294967297", "9" * 15, "nowhere", "a\0b"])
def test_a_zone_that_is_no_interface_is_no_address(zone: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - which errno differs by what is wrong
        pack_address(f"fe80::1%{zone}")
    with pytest.raises(OSError):  # noqa: PT011
        pack_address("192.0.2.1\0")


def test_a_zone_beyond_all_numbers_refuses_its_stream_alone(
    two_links, needs_raw_sockets: None
) -> None:
    with two_links.inside(two_links.a):
        run = ten_of_each(
            spec("icmp", "fe80::1%v", stream_id=0),
            spec("icmp", "fe80::1%4294967298", stream_id=1),
        )
    assert [run.total("sent", number) for number in (0, 1)] == [10, 0]
    ((refused, why),) = run.engine.health().refused.items()
    assert refused.stream_id == 1
    assert "4294967298" in why.en
    assert "4294967298" in why.zh


@pytest.mark.parametrize(
    "source", ["fe80::1%a\0b", "fe80::1%4294967298", "224.0.0.1", "0.0.0.0", "010.0.0.1", "a\0b"]
)
def test_a_source_that_is_no_host_refuses_its_stream_alone(two_links, source: str) -> None:
    target = "fe80::1%v" if ":" in source else "10.99.0.2"
    with two_links.inside(two_links.a):
        run = ten_of_each(
            spec("icmp", "fe80::1%v", stream_id=0),
            spec("icmp", target, stream_id=1, source=source),
        )
    assert [run.total("sent", number) for number in (0, 1)] == [10, 0]
    (refused,) = run.engine.health().refused
    assert refused.stream_id == 1
