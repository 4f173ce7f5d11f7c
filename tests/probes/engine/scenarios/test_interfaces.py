"""An interface that is rebuilt has another index: what was measured through it continues."""

from __future__ import annotations

import pytest
from engine_run import Run, assert_every_probe_has_one_outcome, spec
from patience import wait_until

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("needs_raw_sockets")]


def make_anew(hosts) -> None:
    """Take the link away and make another of the same names and addresses."""
    hosts.sh_in(hosts.a, "ip", "link", "delete", "v")
    hosts.sh_in(
        hosts.a, "ip", "link", "add", "s1", "type", "veth", "peer", "name", "s2"
    )  # its index
    hosts.sh_in(hosts.a, "ip", "link", "add", "v", "type", "veth", "peer", "name", "v",
                "netns", hosts.b)  # fmt: skip
    for name, last in ((hosts.a, "1"), (hosts.b, "2")):
        link_local(hosts, name, last)
        hosts.sh_in(name, "ip", "addr", "add", f"10.99.0.{last}/24", "dev", "v")


def link_local(hosts, name: str, last: str) -> None:
    hosts.sh_in(name, "ip", "link", "set", "v", "up")
    hosts.sh_in(name, "ip", "addr", "add", f"fe80::{last}/64", "dev", "v", "nodad")


@pytest.mark.parametrize(
    ("protocol", "destination", "source", "probes"),
    [
        ("icmp", "fe80::2%v", None, 100_000),  # as of a hand-run
        ("icmp", "fe80::2%v", "fe80::1%v", None),
        ("tcp", "fe80::2%v", "fe80::1%v", None),
        ("icmp", "10.99.0.2", "10.99.0.1", None),
    ],
)
def test_measuring_goes_on_through_an_interface_that_was_made_anew(
    two_hosts, protocol: str, destination: str, source: str | None, probes: int | None
) -> None:
    for name, last in ((two_hosts.a, "1"), (two_hosts.b, "2")):
        link_local(two_hosts, name, last)
    more = {"port": 9} if protocol == "tcp" else {}
    asked = spec(protocol, destination, source=source, interval_ms=5.0, timeout_ms=500.0, **more)
    run = Run(asked, probes=probes)
    with two_hosts.inside(two_hosts.a):
        run.engine.start()
        try:
            wait_until(lambda: run.engine.health().probes_received > 10)
            make_anew(two_hosts)
            before = run.engine.health().probes_received
            wait_until(lambda: run.engine.health().probes_received > before + 20)
        finally:
            run.engine.stop(wait_for_replies=False)
    assert_every_probe_has_one_outcome(run)
    causes = {"not_sent_interface", "not_sent_no_route", "not_sent_skipped"}
    assert sum(run.total(cause) for cause in causes) == run.total("not_sent")
