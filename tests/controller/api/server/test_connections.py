"""Who has a place, and who gives way, when connections are many."""

import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from controller.api.server.connections import (
    GRACE_S,
    MAX_OF_ONE,
    Connection,
    Connections,
    Kind,
    network_of,
    places,
)
from probes.sockets.descriptors import descriptors_for_sockets

PLACES: dict[Kind, int] = {"stranger": 4, "person": 3, "agent": 40}
Connect = Callable[..., Connection]


@pytest.fixture
def connections() -> Connections:
    return Connections(dict(PLACES))


@pytest.fixture
def connect(connections: Connections) -> Iterator[Connect]:
    opened = []

    def one(network: str = "192.0.2.1", since_s: float = 0.0) -> Connection:
        opened.append(socket.socket())
        connection = Connection(opened[-1], network, since_s)
        connections.add(connection)
        return connection

    yield one
    for sock in opened:
        sock.close()


@pytest.fixture
def newcomer() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def test_places_follow_the_limit_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (64, 256, 1024, 65_536):
        monkeypatch.setattr("resource.getrlimit", lambda _, limit=limit: (limit, limit))
        found = places()
        assert sum(found.values()) == descriptors_for_sockets() < limit
        assert min(found.values()) >= limit // 8 or found["stranger"] == 256
        assert found["agent"] >= max(found["stranger"], found["person"])


def test_the_oldest_of_the_largest_network_gives_way_once_it_had_its_grace(
    connections: Connections, connect: Connect, newcomer: socket.socket
) -> None:
    lonely = connect("198.51.100.1", 0.0)
    crowd = [connect("192.0.2.1", 1.0 + second) for second in range(3)]
    assert connections.wait_s(newcomer, 1.0) == GRACE_S
    assert not crowd[0].is_cut
    assert connections.wait_s(newcomer, 1.0 + GRACE_S) == 0
    assert [one.is_cut for one in (lonely, *crowd)] == [False, True, False, False]
    assert connections.cut == {"room": 1}


def test_strangers_who_left_make_room_without_a_word(
    connections: Connections, connect: Connect, newcomer: socket.socket
) -> None:
    for _ in range(PLACES["stranger"]):
        connect().sock.close()
    assert connections.wait_s(newcomer, 0.0) == 0
    assert not connections.cut


def test_the_last_descriptors_are_not_for_strangers(
    connections: Connections,
    connect: Connect,
    newcomer: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "controller.api.server.connections.descriptors_for_sockets", lambda: newcomer.fileno()
    )
    assert connections.wait_s(newcomer, 9.0) is None, "nobody is there who could give way"
    stranger = connect()
    assert connections.wait_s(newcomer, 9.0) == 0
    assert stranger.is_cut


def test_one_credential_has_its_share_and_no_more(
    connections: Connections, connect: Connect
) -> None:
    held = [connect() for _ in range(MAX_OF_ONE + 1)]
    assert all(connections.identify(one, "agent", "wuxi") for one in held[:-1])
    assert not connections.identify(held[-1], "agent", "wuxi")
    assert connections.count("agent") == MAX_OF_ONE
    assert connections.identify(held[-1], "agent", "suzhou"), "another is not concerned"
    held[0].sock.close()
    assert connections.identify(connect(), "agent", "wuxi"), "and what ended is given back"


def test_each_has_a_place_whatever_the_others_hold(
    connections: Connections, connect: Connect
) -> None:
    greedy = [connect() for _ in range(PLACES["person"])]
    assert all(connections.identify(one, "person", "a") for one in greedy)
    assert connections.identify(connect(), "person", "b")
    assert [one.is_cut for one in greedy] == [False, False, True], "the newest gives way"
    assert connections.identify(connect(), "person", "c")
    assert not connections.identify(connect(), "person", "b"), "an equal share is left alone"
    assert connections.cut == {"share": 2}


def test_cuts_are_told_once_a_minute(
    connections: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(500):
            connections.tell("silent")
    assert caplog.messages == ["connections are cut; since the start: 1 asked for nothing"]
    assert connections.cut["silent"] == 500


def test_a_network_of_ipv6_is_one_stranger() -> None:
    assert network_of("2001:db8::1%eth0") == network_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
