"""Type-P and streams as they are written in plans."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.protocols.registry import protocol_names
from probes.stream import StreamSpec, TypeP, ip_version_of, stream_id_of

TYPES = st.builds(
    TypeP,
    protocol=st.sampled_from(protocol_names()),
    ip_version=st.sampled_from([4, 6]),
    payload_bytes=st.integers(0, 65_000),
    dscp=st.integers(0, 63),
    port=st.none() | st.integers(1, 65_535),
    mode=st.just(msgspec.UNSET) | st.just("authenticated"),
)


@given(TYPES)
def test_type_p_comes_through_json_unchanged(type_p: TypeP) -> None:
    octets = msgspec.json.encode(type_p)
    assert msgspec.json.decode(octets, type=TypeP) == type_p
    assert (b"mode" in octets) == type_p.authenticated  # plans without keys stay what they were


@given(TYPES, TYPES)
def test_two_types_have_one_label_only_if_they_are_equal(one: TypeP, other: TypeP) -> None:
    assert (one.label() == other.label()) == (one == other)


@pytest.mark.parametrize(
    ("type_p", "label"),
    [
        (TypeP(protocol="icmp", ip_version=4), "icmp4/44B/dscp0"),
        (TypeP(protocol="tcp", ip_version=6, payload_bytes=0, port=443), "tcp6/443/0B/dscp0"),
        (
            TypeP(protocol="udp", ip_version=4, port=862, dscp=46, mode="authenticated"),
            "udp4/862/44B/dscp46/hmac",
        ),
    ],
)
def test_label_says_all_that_tells_types_apart(type_p: TypeP, label: str) -> None:
    assert type_p.label() == label


@given(st.text(min_size=1, max_size=30), TYPES)
def test_stream_number_is_stable_and_passes_through_json(path: str, type_p: TypeP) -> None:
    number = stream_id_of(path, type_p)
    assert number == stream_id_of(path, type_p)
    assert 0 <= number < 1 << 48  # a float of JSON holds 53 bits


def test_stream_number_is_of_the_path_and_of_the_type() -> None:
    icmp, udp = (TypeP(protocol=name, ip_version=4) for name in ("icmp", "udp"))
    pairs = [("a.t.v4>b.t.v4", icmp), ("b.t.v4>a.t.v4", icmp), ("a.t.v4>b.t.v4", udp)]
    assert len({stream_id_of(path, type_p) for path, type_p in pairs}) == 3
    assert stream_id_of(*pairs[0]) == 0x882B_8753_8C0E  # windows in the store are known by it


def test_ports_are_those_of_the_protocol() -> None:
    udp = TypeP(protocol="udp", ip_version=4)
    assert (udp.destination_port, udp.reflector_port, udp.sent_payload_bytes) == (862, 862, 44)
    tcp = TypeP(protocol="tcp", ip_version=4, port=8080)
    assert (tcp.destination_port, tcp.reflector_port, tcp.sent_payload_bytes) == (8080, None, 0)
    without = TypeP(protocol="tcp", ip_version=4)
    assert (without.lacks_port, without.destination_port) == (True, None)
    icmp = TypeP(protocol="icmp", ip_version=4, payload_bytes=0)
    assert (icmp.destination_port, icmp.reflector_port, icmp.sent_payload_bytes) == (None, None, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"interval_ms": 0.0},
        {"jitter_ratio": 0.6},
        {"flows": 0},
        {"flows": 4097},
        {"stream_id": 1 << 48},
        {"pacing": "random"},
        {"timeout_ms": 0.0},
        {"ttl": 3},
    ],
)
def test_stream_that_cannot_be_is_refused_where_it_is_read(change: dict[str, object]) -> None:
    stream = StreamSpec(
        stream_id=1, destination="192.0.2.1", type_p=TypeP(protocol="icmp", ip_version=4)
    )
    document = msgspec.to_builtins(stream)
    assert msgspec.convert(document, StreamSpec) == stream
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document | change, StreamSpec)


def test_version_of_an_address() -> None:
    assert (ip_version_of("192.0.2.1"), ip_version_of("2001:db8::1")) == (4, 6)
    with pytest.raises(ValueError, match="example"):
        ip_version_of("example.com")
