"""Replies leave with the DSCP that requests came with, and tell it to who asks."""

from typing import Any

import numpy as np
import pytest
from engine_run import Run, spec

from probes.engine.engine import Engine, SampleBatch
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stream import StreamSpec, TypeP

pytestmark = pytest.mark.network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("octets", "forward"), [(64, -1), (72, 184)])
def test_a_reply_has_the_dscp_of_its_request(
    free_udp_port, host: str, octets: int, forward: int
) -> None:
    port = free_udp_port(host)
    reflector = Reflector(
        (ReflectorSpec(address=host, port=port, peers=(host,)),), own_clock_bound_ns=lambda: 1.0
    )
    samples: list[SampleBatch] = []
    kind = TypeP(
        protocol="udp", ip_version=6 if ":" in host else 4, port=port, dscp=46,
        payload_bytes=octets,
    )  # fmt: skip
    engine = Engine(
        [StreamSpec(stream_id=1, destination=host, type_p=kind, interval_ms=5.0,
                    timeout_ms=30_000.0)],
        window_ns=100_000_000, on_windows=lambda batch: None, on_samples=samples.append,
        probes_per_stream=10,
    )  # fmt: skip
    reflector.start()
    engine.start()
    try:
        assert engine.wait_until_finished(60.0)
    finally:
        engine.stop()
        reflector.stop()
    assert set(np.concatenate([batch.tos_backward for batch in samples]).tolist()) == {184}
    assert set(np.concatenate([batch.tos_forward for batch in samples]).tolist()) == {forward}


@pytest.mark.parametrize(
    ("far", "rule"), [("10.99.0.2", "ip dscp set cs0"), ("fd99::2", "ip6 dscp set cs0")]
)
def test_windows_count_the_answers_whose_dscp_was_lost_on_the_way(
    two_hosts: Any, far: str, rule: str
) -> None:
    asked = spec("icmp", far, dscp=46)
    with two_hosts.inside(two_hosts.a):
        kept = Run(asked, probes=10).finish(answered=10)
    table = f"table inet t {{ chain c {{ type filter hook input priority -150; {rule}; }}; }}"
    two_hosts.sh_in(two_hosts.a, "nft", "-f", "-", stdin=table)
    with two_hosts.inside(two_hosts.a):
        lost = Run(asked, probes=10).finish(answered=10)
    assert (kept.total("received"), kept.total("dscp_changed_backward")) == (10, 0)
    assert (lost.total("received"), lost.total("dscp_changed_backward")) == (10, 10)
    assert lost.total("dscp_changed_forward") == 0  # nobody there reports it
