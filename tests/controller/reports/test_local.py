"""A campaign measured from this machine: what of it can run here, and what cannot is told."""

import pathlib
from dataclasses import replace

import pytest

from controller.reports.local import measured_here, tell_refused
from foundation.errors import ConfigError, ResourceError
from foundation.text import Text
from probes.engine.report import EngineHealth
from probes.stream import ProtocolName, StreamSpec, TypeP
from tests.controller.commands.test_campaign_run import SITES

RUNNING = EngineHealth(
    streams=1,
    probes_sent=0,
    probes_received=0,
    spurious=0,
    overflowed=0,
    skipped=0,
    clock_steps=0,
    timestamping="none",
    calibration_ns=None,
    send_lag_max_ns=0.0,
)


async def test_a_site_file_of_other_machines_is_an_error(tmp_path: pathlib.Path) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(SITES.replace("127.0.0.1", "192.0.2.1"), encoding="utf-8")

    async def never(_duration_s: float) -> None:
        raise AssertionError("there is nothing to wait for")

    with pytest.raises(ConfigError, match="begins at an address of this machine"):
        await measured_here(
            sites, window_s=1.0, duration_s=1.0, targets=(), wait=never, tell=lambda _text: None
        )


def refused(*protocols: ProtocolName) -> dict[StreamSpec, Text]:
    types = [TypeP(protocol=name, ip_version=4, payload_bytes=44) for name in protocols]
    why = Text("No rights.", "没有权限。")
    return {StreamSpec(stream_id=1, destination="192.0.2.1", type_p=kind): why for kind in types}


def test_streams_that_cannot_run_are_told_once_a_reason() -> None:
    told: list[Text] = []
    tell_refused(replace(RUNNING, refused=refused("icmp", "udp")), told.append)
    assert [text.en for text in told] == ["Streams to 1 destinations are not run: No rights."]


def test_where_no_stream_can_run_the_reason_is_the_error() -> None:
    with pytest.raises(ResourceError, match="No rights"):
        tell_refused(replace(RUNNING, streams=0, refused=refused("icmp")), lambda _text: None)
