"""The kernel is asked for many source addresses at once, and says what a connected socket says."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import numpy as np
import pytest
from engine_run import Run, spec
from patience import wait_until

from probes.addresses import socket_address
from probes.engine.ledger import Ledger
from probes.engine.roster import Roster
from probes.sockets.sources import source_addresses

pytestmark = pytest.mark.network


def by_connecting(host: str) -> bytes | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.connect(socket_address(host, 9))
        except OSError:
            return None
        return socket.inet_pton(family, trial.getsockname()[0].partition("%")[0])


def asked(*hosts: str) -> list[bytes | None]:
    family = socket.AF_INET6 if ":" in hosts[0] else socket.AF_INET
    where = []
    for host in hosts:
        numeric, _, zone = host.partition("%")
        index = socket.if_nametoindex(zone) if zone else 0
        where.append((socket.inet_pton(family, numeric), index))
    return source_addresses(family, where)


def test_answers_are_those_of_a_connected_socket(two_hosts) -> None:
    two_hosts.sh_in(two_hosts.a, "ip", "addr", "add", "10.98.0.1/24", "dev", "lo")
    two_hosts.sh_in(
        two_hosts.a, "ip", "route", "add", "10.97.0.0/16", "via", "10.99.0.2", "src", "10.98.0.1"
    )
    v4 = ("10.99.0.2", "127.0.0.1", "10.97.1.1", "10.98.0.1", "192.0.2.1")
    v6 = ("fd99::2", "::1", "fe80::1%v", "2001:db8::1")
    with two_hosts.inside(two_hosts.a):
        for hosts in (v4, v6):
            assert asked(*hosts) == [by_connecting(host) for host in hosts]
        assert asked(*v4)[-1] is asked(*v6)[-1] is None  # no route


def test_many_destinations_are_answered_in_order() -> None:
    hosts = [f"127.{n >> 8}.{n & 255}.1" for n in range(700)]
    hosts[500] = "0.0.0.1"
    found = asked(*hosts)
    assert len(found) == 700
    assert {found[n] for n in range(700) if n != 500} == {socket.inet_aton("127.0.0.1")}
    assert found[500] == by_connecting("0.0.0.1")


def test_no_socket_is_opened_for_each_tcp_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    real = socket.socket.__init__

    def counted(self: socket.socket, *words: object, **more: object) -> None:
        opened.append(words)
        real(self, *words, **more)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(socket.socket, "__init__", counted)
    streams = [spec("tcp", f"127.0.{n >> 8}.{n & 255}", stream_id=n, port=9) for n in range(1, 600)]
    roster = Roster(Ledger(1_000_000_000), np.random.default_rng(1))
    try:
        accepted, _, why = roster.add(streams)
        assert (len(accepted), why) == (len(streams), [])
        before = len(opened)
        assert before < 10
        roster.resolve_sources()
        while roster.is_resolving:
            roster.resolve_some()
        assert len(opened) - before < 10
    finally:
        roster.pool.close()


def test_a_route_change_is_followed_a_part_a_tick_so_that_answers_wait_for_none_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked all at once, 20,000 targets stop the engine for a good tenth of a second."""
    sizes: list[int] = []

    def counted(family: int, destinations: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        sizes.append(len(destinations))
        return source_addresses(family, destinations)

    monkeypatch.setattr("probes.engine.pseudo_sums.source_addresses", counted)
    ledger = Ledger(1_000_000_000)
    roster = Roster(ledger, np.random.default_rng(1))
    streams = [
        spec("tcp", f"127.1.{n >> 8}.{n & 255}", stream_id=n, port=9) for n in range(1, 1300)
    ]
    try:
        accepted, _, why = roster.add(streams)
        assert (len(accepted), why) == (len(streams), [])
        sizes.clear()
        roster.resolve_sources()
        while roster.is_resolving:
            roster.resolve_some()
        assert sum(sizes) == len(streams)
        assert len(sizes) >= 3
        assert max(sizes) <= 512
    finally:
        roster.pool.close()


def test_probes_are_answered_when_the_source_address_has_changed(two_hosts) -> None:
    streams = [spec("tcp", "10.99.0.2", stream_id=n, port=n, interval_ms=20.0) for n in (9, 10)]
    with two_hosts.inside(two_hosts.a):
        run = Run(*streams, probes=None)
        run.engine.start()
        try:
            wait_until(lambda: run.engine.health().probes_received > 4)
            two_hosts.sh_in(
                two_hosts.a, "ip", "route", "change", "10.99.0.0/24", "dev", "v", "src", "10.99.0.1"
            )
            two_hosts.sh_in(two_hosts.a, "ip", "addr", "add", "10.99.0.50/24", "dev", "v")
            two_hosts.sh_in(
                two_hosts.a, "ip", "route", "add", "10.99.0.2/32", "dev", "v", "src", "10.99.0.50"
            )
            before = run.engine.health().probes_received
            wait_until(lambda: run.engine.health().probes_received > before + 20)
        finally:
            run.engine.stop(wait_for_replies=False)
