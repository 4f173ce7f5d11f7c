import pathlib

import msgspec
import pytest

from controller.plans.planner import make_plans, numbered, stream_records
from controller.store.interface import Store
from topology.mesh import plan_streams
from topology.network import Network
from topology.site_file import load_network


@pytest.fixture
def network(site_file: pathlib.Path) -> Network:
    return load_network(site_file)


def test_every_site_with_an_agent_has_a_plan_and_no_other(network: Network) -> None:
    assert list(make_plans(network, plan_streams(network))) == ["nanjing", "suzhou"]


def test_streams_leave_from_the_agents_own_addresses(network: Network) -> None:
    for name, plan in make_plans(network, plan_streams(network)).items():
        own = {interface.address for interface in network.sites[name].interfaces}
        assert plan.streams
        assert {stream.source for stream in plan.streams} <= own


def test_every_udp_stream_finds_a_reflector_that_lets_it_in(network: Network) -> None:
    streams = plan_streams(network)
    plans = make_plans(network, streams)
    doors = {
        (spec.address, spec.port): spec.peers for plan in plans.values() for spec in plan.reflectors
    }
    udp = [spec for plan in plans.values() for spec in plan.streams if spec.type_p.port == 8620]
    assert udp
    for spec in udp:
        assert spec.source in doors[spec.destination, 8620]


def test_reflector_lets_in_only_those_who_probe_it(network: Network) -> None:
    plans = make_plans(network, plan_streams(network))
    for plan in plans.values():
        for spec in plan.reflectors:
            asking = {
                stream.source
                for other in plans.values()
                for stream in other.streams
                if stream.destination == spec.address and stream.type_p.protocol == "udp"
            }
            assert set(spec.peers) == asking


def test_order_of_streams_does_not_change_a_plan(network: Network) -> None:
    streams = plan_streams(network)
    assert make_plans(network, streams) == make_plans(network, streams[::-1])


def test_version_grows_only_when_the_content_changes(network: Network, store: Store) -> None:
    streams = plan_streams(network)
    versions = []
    for window_ms in (10_000, 10_000, 5_000, 5_000, 10_000):
        plans = numbered(make_plans(network, streams, window_ms), store, 1)
        versions.append({name: plan.version for name, plan in plans.items()})
    assert [found["nanjing"] for found in versions] == [1, 1, 2, 2, 3]


def test_only_the_plans_that_change_get_a_new_version(network: Network, store: Store) -> None:
    plans = make_plans(network, plan_streams(network))
    numbered(plans, store, 1)
    plans["suzhou"] = msgspec.structs.replace(plans["suzhou"], streams=())
    found = numbered(plans, store, 2)
    assert (found["nanjing"].version, found["suzhou"].version) == (1, 2)


def test_records_name_the_agent_that_measures(network: Network) -> None:
    streams = plan_streams(network)
    records = stream_records(streams)
    assert len({record.stream_id for record in records}) == len(streams)
    assert {record.agent for record in records} == {"nanjing", "suzhou"}


def test_plan_says_what_a_machine_behind_nat_binds_and_peers_see_the_other(
    site_file: pathlib.Path,
) -> None:
    text = site_file.read_text(encoding="utf-8")
    nat = text.replace('ipv4 = "198.51.100.1" }', 'ipv4 = "198.51.100.1", local = "10.9.0.1" }')
    assert nat != text
    site_file.write_text(nat, encoding="utf-8")
    network = load_network(site_file)
    plans = make_plans(network, plan_streams(network))
    assert plans["nanjing"].local == {"198.51.100.1": "10.9.0.1"}
    assert plans["suzhou"].local is msgspec.UNSET
    assert b"10.9.0.1" not in msgspec.json.encode(plans["suzhou"])
    own = plans["nanjing"]
    assert "198.51.100.1" in {stream.source for stream in own.streams}
    assert "10.9.0.1" not in {spec.address for spec in own.reflectors}
