import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import ConfigError
from foundation.text import Text
from topology import mesh as mesh_module
from topology.mesh import coverage_notes, coverage_of, merged_plans, plan_streams
from topology.model import Ends, Interface, Site
from topology.network import Mesh, Network, StreamChoice

ICMP = (StreamChoice(protocol="icmp"),)


def a_site(name: str, *addresses: str, external: bool = False, **more: object) -> Site:
    """Return a site whose addresses are ``carrier/address``."""
    interfaces = []
    for entry in addresses:
        carrier, address = entry.split("/")
        version = 6 if ":" in address else 4
        interfaces.append(
            Interface(
                id=f"{name}.{carrier}.v{version}", site=name, carrier=carrier, address=address
            )
        )
    return Site(
        name=name,
        title=Text(name, name),
        latitude_deg=32.0,
        longitude_deg=118.0,
        city="nanjing",
        interfaces=tuple(interfaces),
        external=external,
        **more,
    )


def a_network(sites: list[Site], *meshes: Mesh) -> Network:
    return Network(name="n", title=Text("n", "n"), sites={s.name: s for s in sites}, meshes=meshes)


def paths(network: Network) -> list[str]:
    return [s.path.id for s in plan_streams(network)]


def pairs(network: Network) -> list[tuple[str, str]]:
    return [(s.path.source.site, s.path.destination.site) for s in plan_streams(network)]


def many(n: int) -> list[Site]:
    return [a_site(f"s{i}", f"telecom/10.0.{i // 250}.{i % 250 + 1}") for i in range(n)]


@given(st.integers(0, 9), st.integers(0, 9))
def test_sizes_of_full_and_disjoint_meshes(n, m):
    sites = many(n + m)
    full = Mesh(name="f", stream=ICMP)
    assert len(plan_streams(a_network(sites, full))) == (n + m) * max(0, n + m - 1)
    if n and m:
        names = [s.name for s in sites]
        two = Mesh(
            name="d",
            kind="disjoint",
            a=Ends(sites=tuple(names[:n])),
            b=Ends(sites=tuple(names[n:])),
            stream=ICMP,
        )
        assert len(plan_streams(a_network(sites, two))) == 2 * n * m


def test_one_way_full_mesh_goes_down_the_file_only():
    assert pairs(a_network(many(3), Mesh(name="f", one_way=True, stream=ICMP))) == [
        ("s0", "s1"),
        ("s0", "s2"),
        ("s1", "s2"),
    ]


def test_excluded_pair_is_probed_neither_way():
    mesh = Mesh(name="f", exclude=(("s1", "s0"),), stream=ICMP)
    assert {frozenset(p) for p in pairs(a_network(many(3), mesh))} == {
        frozenset({"s0", "s2"}),
        frozenset({"s1", "s2"}),
    }


def test_a_site_without_an_agent_is_probed_by_icmp_alone_where_no_stream_is_named():
    sites = (a_site("a", "t/10.0.0.1"), a_site("b", "t/10.0.0.2", external=True))
    streams = plan_streams(a_network(sites, Mesh(name="all")))
    assert {stream.type_p.protocol for stream in streams} == {"icmp"}


def test_external_sites_are_destinations_only():
    sites = [
        *many(2),
        a_site("r1", "t/192.0.2.1", external=True),
        a_site("r2", "t/192.0.2.2", external=True),
    ]
    found = pairs(a_network(sites, Mesh(name="f", stream=ICMP)))
    assert not [p for p in found if p[0] in ("r1", "r2")]
    assert {p for p in found if p[1] in ("r1", "r2")} == {
        ("s0", "r1"), ("s0", "r2"), ("s1", "r1"), ("s1", "r2"),
    }  # fmt: skip


def test_versions_are_never_mixed():
    sites = [a_site("a", "t/10.0.0.1", "t/fd00::1"), a_site("b", "t/10.0.0.2", "t/fd00::2")]
    assert paths(a_network(sites, Mesh(name="f", stream=ICMP, one_way=True))) == [
        "a.t.v4>b.t.v4",
        "a.t.v6>b.t.v6",
    ]
    only6 = Mesh(name="f", stream=ICMP, one_way=True, ip_versions=(6,))
    assert paths(a_network(sites, only6)) == ["a.t.v6>b.t.v6"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("same", {"a.t.v4>b.t.v4", "a.u.v4>b.u.v4"}),
        ("different", {"a.t.v4>b.u.v4", "a.u.v4>b.t.v4"}),
        ("all", {"a.t.v4>b.t.v4", "a.u.v4>b.u.v4", "a.t.v4>b.u.v4", "a.u.v4>b.t.v4"}),
    ],
)
def test_carriers_are_paired_by_the_rule(rule, expected):
    sites = [a_site("a", "t/10.0.0.1", "u/10.1.0.1"), a_site("b", "t/10.0.0.2", "u/10.1.0.2")]
    mesh = Mesh(name="f", stream=ICMP, one_way=True, carriers=rule)
    assert set(paths(a_network(sites, mesh))) == expected


def test_members_carriers_bind_the_interfaces_too():
    sites = [a_site("a", "t/10.0.0.1", "u/10.1.0.1"), a_site("b", "t/10.0.0.2", "u/10.1.0.2")]
    mesh = Mesh(name="f", stream=ICMP, one_way=True, members=Ends(carriers=("u",)))
    assert paths(a_network(sites, mesh)) == ["a.u.v4>b.u.v4"]


def test_each_end_of_a_disjoint_mesh_keeps_its_own_carriers():
    sites = [a_site("a", "t/10.0.0.1", "u/10.1.0.1"), a_site("b", "t/10.0.0.2", "u/10.1.0.2")]
    mesh = Mesh(
        name="d",
        kind="disjoint",
        a=Ends(sites=("a",), carriers=("t",)),
        b=Ends(sites=("b",), carriers=("u",)),
        stream=ICMP,
    )
    assert paths(a_network(sites, mesh)) == ["a.t.v4>b.u.v4", "b.u.v4>a.t.v4"]


def test_list_mesh_keeps_repeats_out():
    mesh = Mesh(name="l", kind="list", pairs=(("s0", "s1"), ("s1", "s0")), stream=ICMP)
    assert pairs(a_network(many(2), mesh)) == [("s0", "s1"), ("s1", "s0")]


def test_protocol_is_chosen_for_each_path():
    sites = [*many(2), a_site("r", "telecom/192.0.2.1", external=True)]
    mesh = Mesh(
        name="f",
        stream=(
            StreamChoice(protocol="udp", destinations="agents"),
            StreamChoice(protocol="icmp", destinations="external"),
            StreamChoice(protocol="tcp", port=179),
        ),
    )
    chosen = {
        (s.path.destination.site, s.type_p.label()) for s in plan_streams(a_network(sites, mesh))
    }
    assert chosen == {
        ("s0", "udp4/862/64B/dscp0"), ("s1", "udp4/862/64B/dscp0"), ("r", "icmp4/44B/dscp0"),
        ("s0", "tcp4/179/0B/dscp0"), ("s1", "tcp4/179/0B/dscp0"), ("r", "tcp4/179/0B/dscp0"),
    }  # fmt: skip


def test_authenticated_streams_are_of_another_type_and_large_enough():
    udp = StreamChoice(protocol="udp", authenticated=True)
    large = StreamChoice(protocol="udp", authenticated=True, payload_bytes=500)
    network = a_network(many(2), Mesh(name="f", stream=(udp, large)))
    assert {s.type_p.label() for s in plan_streams(network)} == {
        "udp4/862/152B/dscp0/hmac",
        "udp4/862/500B/dscp0/hmac",
    }


def test_one_port_is_not_asked_with_and_without_authentication():
    bound = StreamChoice(protocol="udp", authenticated=True)
    free = StreamChoice(protocol="udp")
    with pytest.raises(ConfigError, match=r"s0.*>s1.*another `port`"):
        plan_streams(a_network(many(2), Mesh(name="f", stream=(bound, free))))
    elsewhere = StreamChoice(protocol="udp", port=8620)
    assert len(plan_streams(a_network(many(2), Mesh(name="f", stream=(bound, elsewhere))))) == 4


def test_equal_streams_of_two_meshes_are_one_at_the_shorter_interval():
    fast = StreamChoice(protocol="icmp", interval_ms=100.0, timeout_ms=500.0)
    wide = StreamChoice(protocol="icmp", interval_ms=5000.0, flows=8)
    network = a_network(many(2), Mesh(name="a", stream=(wide,)), Mesh(name="b", stream=(fast,)))
    streams = plan_streams(network)
    assert [(s.interval_ms, s.flows, s.timeout_ms) for s in streams] == [(100.0, 8, 3000.0)] * 2


def test_plans_are_united_with_the_first_in_their_places():
    sites = [a_site("a", "x/192.0.2.1"), a_site("b", "x/192.0.2.2")]
    first = plan_streams(a_network(sites, Mesh(name="one", stream=ICMP)))
    fast = (StreamChoice(protocol="icmp", interval_ms=50, flows=8), StreamChoice(protocol="udp"))
    second = plan_streams(a_network(sites, Mesh(name="two", one_way=True, stream=fast)))
    both = merged_plans(first, second)
    assert [s.stream_id for s in both[:2]] == [s.stream_id for s in first]
    assert [(s.interval_ms, s.flows) for s in both[:2]] == [(50, 8), (1000, 1)]
    assert both[2:] == second[1:]
    assert merged_plans(first) == first


def test_a_stream_keeps_its_number_when_sites_are_added():
    few = {
        s.path.id: s.stream_id
        for s in plan_streams(a_network(many(3), Mesh(name="f", stream=ICMP)))
    }
    more = {
        s.path.id: s.stream_id
        for s in plan_streams(a_network(many(5), Mesh(name="f", stream=ICMP)))
    }
    assert few.items() <= more.items()


def test_two_streams_of_one_number_are_refused(monkeypatch):
    monkeypatch.setattr(mesh_module, "stream_id_of", lambda *_: 7)
    with pytest.raises(ConfigError, match="have the same number"):
        plan_streams(a_network(many(2), Mesh(name="f", stream=ICMP)))


def test_three_hundred_sites_are_planned_without_a_repeat():
    network = a_network(many(300), Mesh(name="f", stream=ICMP))
    streams = plan_streams(network)
    assert len(streams) == 300 * 299
    assert len({s.stream_id for s in streams}) == len(streams)
    assert streams == plan_streams(network)


def test_mesh_with_peers_measures_a_part_both_ways_and_says_how_much():
    sites = many(20)
    part = a_network(sites, Mesh(name="m", peers=3, stream=ICMP))
    measured = set(pairs(part))
    assert measured == {(b, a) for a, b in measured}
    assert measured < set(pairs(a_network(sites, Mesh(name="m", stream=ICMP))))
    coverage = coverage_of(part, part.meshes[0])
    assert (coverage.measured, coverage.possible) == (len(measured) // 2, 190)
    (note,) = coverage_notes(part)
    assert f"{len(measured) // 2} of 190 pairs" in note.en
    assert f"190 对站点中的 {len(measured) // 2} 对" in note.zh


def test_excluded_pairs_are_not_among_the_chosen():
    sites = many(6)
    names = [site.name for site in sites]
    exclude = tuple((names[0], other) for other in names[2:])
    network = a_network(sites, Mesh(name="m", peers=1, exclude=exclude, stream=ICMP))
    assert (names[0], names[1]) in pairs(network)
    assert not coverage_notes(a_network(sites, Mesh(name="m", stream=ICMP)))


def test_coverage_of_a_mesh_without_pairs_is_unknown():
    network = a_network(many(1), Mesh(name="m", peers=2, stream=ICMP))
    assert coverage_of(network, network.meshes[0]).ratio is None
    assert coverage_notes(network) == ()
