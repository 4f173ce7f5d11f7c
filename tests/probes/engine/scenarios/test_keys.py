"""Authenticated streams: answered under the same key alone, and new keys cost no probe."""

from __future__ import annotations

import numpy as np
import pytest
from engine_run import HMAC, Run, spec
from patience import finish, give_up, wait_until

from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec

pytestmark = pytest.mark.network


@pytest.mark.parametrize("payload_bytes", [44, 115, 152, 1200])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_authenticated_stamp_is_answered_under_the_same_key_alone(
    free_udp_port, host: str, payload_bytes: int
) -> None:
    key, other = bytes(range(32)), bytes(range(1, 33))
    place = ReflectorSpec(address=host, port=free_udp_port(host), peers=("127.0.0.1", "::1"))
    reflector = Reflector([place], own_clock_bound_ns=lambda: 500.0, hmac_key=key)
    reflector.start()
    try:
        right, wrong, without = (
            Run(
                spec("udp", host, port=place.port, payload_bytes=payload_bytes, **mode),
                probes=20,
                own_clock_bound_ns=lambda: 500.0,
                stamp_keys=given,
            )
            for given, mode in (({host: key}, HMAC), ({host: other}, HMAC), (None, {}))
        )
        for run in (right, wrong, without):
            run.engine.start()
        finish(right.engine)
        wait_until(lambda: reflector.counters().received == 60)
        for run in (wrong, without):
            give_up(run.engine)
            finish(run.engine)
    finally:
        reflector.stop()
    counters = reflector.counters()
    assert (counters.reflected, counters.forged + counters.malformed) == (20, 40)
    assert (right.total("sent"), right.total("received")) == (20, 20)
    assert (right.column("forward_ns") > 0).all()
    assert (right.column("backward_ns") > 0).all()
    for batch in right.windows:
        assert not np.isnan(batch.measures["clock_bound_ns"]).any()
    for run in (wrong, without):
        assert (run.total("sent"), run.total("received")) == (20, 0)


def test_new_keys_on_either_side_first_cost_no_probe(free_udp_port) -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    place = ReflectorSpec(
        address="127.0.0.1",
        port=free_udp_port("127.0.0.1"),
        peers=("127.0.0.1",),
        authenticated=("127.0.0.1",),
    )
    reflector = Reflector(
        [place], own_clock_bound_ns=lambda: 500.0, stamp_keys={"127.0.0.1": (old,)}
    )
    reflector.start()
    stream = spec("udp", port=place.port, **HMAC)
    run = Run(stream, probes=None, stamp_keys={"127.0.0.1": old})
    try:
        run.engine.start()
        for keys, sending in (((new, old), old), ((new, old), new), ((new,), new)):
            # All that was sent under the previous key has had its answer by then.
            enough = run.engine.health().probes_sent + 100
            wait_until(lambda enough=enough: run.engine.health().probes_received >= enough)
            reflector.update([place], {"127.0.0.1": keys})
            run.engine.update([stream], {"127.0.0.1": sending})
        enough = run.engine.health().probes_received + 20
        wait_until(lambda: run.engine.health().probes_received >= enough)
        run.engine.stop()
    finally:
        reflector.stop()
    assert run.total("sent") == run.total("received") >= 80
    # The same stream, never begun again: its numbers continue.
    assert sorted(run.column("sequence").tolist()) == list(range(1, run.total("sent") + 1))
    assert reflector.counters().forged == 0


def test_authenticated_stream_without_a_key_sends_nothing() -> None:
    run = Run(spec("udp", port=862, **HMAC)).finish()
    assert run.total("sent") == 0
    assert any("no key" in why.en for why in run.engine.health().refused.values())
