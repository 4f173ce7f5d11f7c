"""Paths and streams: their ends, their state, and the figures that stand for them."""

from dataclasses import replace

from controller.api.services import Services
from controller.documents.paths import path_documents, stream_document
from controller.live.snapshot import Snapshot
from messages.exchange import Curtailed, CurtailedStream
from tests.controller.documents.conftest import SECOND, WINDOWS

THERE = "nanjing.telecom.v4>suzhou.telecom.v4"
BACK = "suzhou.telecom.v4>nanjing.telecom.v4"


def numbers(now: Snapshot, *names: str) -> list[int]:
    return [now.scope.catalogue.path_number[name] for name in names]


async def test_a_path_is_ordered_and_has_figures_of_each_protocol_on_it(now: Snapshot) -> None:
    there, back = path_documents(now, numbers(now, THERE, BACK))
    assert (there.source.interface, there.destination.interface) == tuple(THERE.split(">"))
    assert (back.source.interface, back.destination.interface) == tuple(BACK.split(">"))
    udp, icmp = there.figures["udp"], there.figures["icmp"]
    assert (udp.sent, udp.lost, udp.loss_ratio) == (100 * WINDOWS, 0, 0.0)
    assert (udp.rtt_p50_ns, udp.forward_p50_ns, udp.one_way) == (4e6, 2e6, "absolute")
    assert (icmp.sent, icmp.loss_ratio, icmp.rtt_p50_ns, icmp.one_way) == (0, None, None, "none")
    assert [stream.protocol for stream in there.streams] == ["udp", "icmp"]


async def test_a_path_without_windows_has_no_data_and_is_not_fine(now: Snapshot) -> None:
    there, back = path_documents(now, numbers(now, THERE, BACK))
    assert (there.state, there.worst_verdict) == ("ok", "pass")
    assert (back.state, back.worst_verdict) == ("no_data", "no_data")


async def test_figures_tell_their_age_and_when_they_are_too_old(now: Snapshot) -> None:
    (fresh,) = path_documents(now, numbers(now, THERE))
    assert (fresh.figures["udp"].age_ms, fresh.figures["udp"].stale) == (0, False)
    (old,) = path_documents(replace(now, at_ns=now.at_ns + 3600 * SECOND), numbers(now, THERE))
    assert (old.figures["udp"].age_ms, old.figures["udp"].stale) == (3_600_000, True)
    assert (old.figures["icmp"].age_ms, old.figures["icmp"].stale) == (None, False)


async def test_a_stream_says_who_takes_what_from_it(now: Snapshot, services: Services) -> None:
    stream = now.scope.streams[0]
    assert stream_document(now, 0, "ok").curtailed is None
    slowed = CurtailedStream(
        stream_id=stream.stream_id, rule="policy.probes", action="throttled", interval_ms=5000.0
    )
    services.fleet.curtailed("nanjing", Curtailed(plan_version=1, streams=(slowed,)))
    document = stream_document(services.readings.snapshots.now(), 0, "ok")
    assert (document.stream_id, document.interval_ms) == (str(stream.stream_id), 1000.0)
    assert document.curtailed is not None
    assert (document.curtailed.rule, document.curtailed.interval_ms) == ("policy.probes", 5000.0)
