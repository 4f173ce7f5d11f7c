"""Streams whose source address is late, or goes and returns: told, never lost, and begun again."""

from __future__ import annotations

import pytest
from engine_run import Run, spec
from patience import wait_until

from probes.engine.engine import Engine
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

pytestmark = pytest.mark.network

LATE = {4: "10.99.0.77", 6: "fd99::77"}
FAR = {4: "10.99.0.2", 6: "fd99::2"}


def waiting(engine: Engine) -> list[str]:
    return [why.en for why in engine.health().refused.values()]


def put(hosts, version: int, verb: str, *more: str) -> None:
    prefix = {4: 24, 6: 64}[version]
    hosts.sh_in(hosts.a, "ip", "addr", verb, f"{LATE[version]}/{prefix}", "dev", "v", *more)


@pytest.mark.parametrize("version", [4, 6])
def test_stream_begins_when_its_source_address_comes(two_hosts, version: int) -> None:
    """The IPv6 address is tentative first, until no neighbour has said that it is his."""
    run = Run(
        spec("icmp", FAR[version], source=LATE[version], interval_ms=20.0),
        spec("icmp", FAR[version], stream_id=2, interval_ms=20.0),
        probes=None,
    )
    with two_hosts.inside(two_hosts.a):
        run.engine.start()
        try:
            (told,) = waiting(run.engine)
            assert f"{LATE[version]} is not an address of this machine" in told
            put(two_hosts, version, "add")
            wait_until(lambda: not waiting(run.engine))
            wait_until(lambda: run.total("received", 1) > 0)
        finally:
            run.engine.stop()
    assert run.total("received", 2) > 0


@pytest.mark.parametrize("version", [4, 6])
def test_address_that_goes_is_told_and_no_probe_is_lost_for_it(two_hosts, version: int) -> None:
    put(two_hosts, version, "add", *(["nodad"] if version == 6 else []))
    run = Run(spec("icmp", FAR[version], source=LATE[version], interval_ms=20.0), probes=None)
    with two_hosts.inside(two_hosts.a):
        run.engine.start()
        try:
            wait_until(lambda: run.total("received") > 0)
            put(two_hosts, version, "del")
            wait_until(lambda: waiting(run.engine))
            assert run.engine.health().streams == 0
            put(two_hosts, version, "add", *(["nodad"] if version == 6 else []))
            wait_until(lambda: not waiting(run.engine))
            before = run.engine.health().probes_received
            wait_until(lambda: run.engine.health().probes_received > before)
        finally:
            run.engine.stop(wait_for_replies=False)


def test_reflector_takes_up_an_address_that_comes_and_tells_of_one_that_went(two_hosts) -> None:
    places = [
        ReflectorSpec(address=address, port=8620, peers=("10.99.0.0/24",))
        for address in ("10.99.0.1", LATE[4])
    ]
    with two_hosts.inside(two_hosts.a):
        reflector = Reflector(places, own_clock_bound_ns=lambda: 0.0)
        try:
            assert [LATE[4] in text.en for text in reflector.refused()] == [True]
            put(two_hosts, 4, "add")
            reflector.update(places)
            assert reflector.refused() == ()
            put(two_hosts, 4, "del")
            assert [LATE[4] in text.en for text in reflector.refused()] == [True]
        finally:
            reflector.stop()
