"""A campaign on a real fleet: its packets are on the wire while it lasts, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.campaigns.campaign_file import asked_of, load_campaign
from controller.campaigns.request import streams_of
from lab.fleet.api_client import ApiClient
from lab.fleet.comparison import PathProbes, seen_of
from lab.fleet.fleet import Fleet, running
from lab.fleet.packet_log import COPY, read_log
from lab.fleet.run_directory import RunDirectory
from lab.fleet.scenario import find_scenario, load_scenario
from lab.fleet.stored import StoredWindows, continuity_of, read_stored
from lab.fleet.truth import pair_probes
from probes.stamp.sizes import STAMP_PORT
from topology.mesh import merged_plans, plan_streams

pytestmark = pytest.mark.network

ROOT = Path(__file__).parents[4]
PATIENCE_S = 180.0  # a hang, not slowness
EXPEDITED = 46
CAMPAIGN = """
name = "voice"
title = { en = "Voice, expedited", zh = "语音加速转发" }
duration_s = 3600
targets = ["five"]
language = "en"

[[mesh]]
name = "voice"
kind = "list"
pairs = [["nanjing", "yancheng"]]
ip_versions = [4]

[[mesh.stream]]
protocol = "udp"
dscp = 46
payload_bytes = 172
interval_ms = 20
flows = 4
timeout_ms = 500

[[mesh.stream]]  # runs already, at 40 ms
protocol = "udp"
payload_bytes = 64
interval_ms = 20
timeout_ms = 500
"""


def test_its_packets_are_on_the_wire_while_it_lasts_and_no_window_is_lost(
    namespaces: None, tmp_path: Path
) -> None:
    scenario = load_scenario(find_scenario("tiny"))
    with (
        contextlib.closing(RunDirectory()) as directory,
        running(Fleet(scenario, directory, 20.0)) as fleet,
    ):
        found = asyncio.run(_measured(fleet, tmp_path))
        fleet.stop_agents()
        windows = asyncio.run(_stored(fleet.controller.url))
        fleet.controller.stop()
        log = read_log(fleet.log_dir)
    campaign, added = found["campaign"], found["added"]
    assert (campaign["state"], campaign["streams"]) == ("cancelled", 4)
    assert (campaign["refused"], campaign["throttled"]) == (0, 0)
    assert [spec["type_p"]["dscp"] for spec in added["streams_added"]] == [EXPEDITED]
    (change,) = added["streams_changed"]
    assert (change["before"]["interval_ms"], change["after"]["interval_ms"]) == (40, 20)
    assert found["removed"]["streams_removed"] == added["streams_added"]
    assert len(found["removed"]["streams_changed"]) == 1
    assert "dscp46" in (tmp_path / "voice.html").read_text(encoding="utf-8")
    assert "Voice, expedited" in (tmp_path / "voice.html").read_text(encoding="utf-8")

    request = asked_of(load_campaign(tmp_path / "voice.toml"))
    network = scenario.network
    streams = merged_plans(plan_streams(network), streams_of(network, request))
    probes = PathProbes(pair_probes(log, {STAMP_PORT}), scenario.addresses())
    continuity = continuity_of(windows, seen_of(streams, probes))
    assert (continuity.streams, continuity.missing, continuity.twice) == (38, 0, 0)
    ids = [spec["stream_id"] for spec in found["specs"]]
    stored = sum(int(windows.of(number).sent.sum()) for number in ids)
    seen = log[_is_expedited_probe(log) & (log["outcome"] & COPY == 0)]
    assert len(ids) == 2
    assert 0 < len(seen) <= stored  # all that was on the wire is accounted for
    assert seen["received_ns"].min() >= campaign["begun_ns"]
    newest = windows.stream_id[windows.start_ns + windows.duration_ns > found["far_ns"]]
    assert len(set(newest.tolist())) == 36
    assert not set(ids) & set(newest.tolist())  # the newest windows are without it


async def _measured(fleet: Fleet, out: Path) -> dict[str, Any]:
    """Run the campaign, with the controller killed in the middle; what the API says of it."""
    file = out / "voice.toml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    await fleet.wait_until_measuring()
    words = ["campaign", "run", str(file), "--url", fleet.controller.url, "--out", str(out)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "isochrone", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "ISOCHRONE_LANG": "en", "PYTHONPATH": str(ROOT)},
    )
    async with asyncio.timeout(PATIENCE_S), ApiClient(fleet.controller.url) as api:
        for killed in (False, True):
            await _until(api, "campaigns/voice", lambda it: it["reporting"] == it["streams"])
            if not killed:
                fleet.controller.kill()
                fleet.controller.start()
        process.send_signal(signal.SIGINT)
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        await fleet.wait_until_measuring()  # every agent runs the previous plan again
        now = (await api.get("health"))["now_ns"]
        far_ns = now + 3 * round(fleet.scenario.window_s * 1e9)
        await _until(
            api,
            "agents",
            lambda it: all((agent["last_window_ns"] or 0) > far_ns for agent in it["items"]),
        )
        plans = await api.items("agents/nanjing/plans")
        assert len(plans) == 3
        whole = [await api.get(f"agents/{agent}/plans/2") for agent in ("nanjing", "yancheng")]
        return {
            "far_ns": far_ns,
            "campaign": await api.get("campaigns/voice"),
            "added": await api.get("agents/nanjing/plans/2/diff"),
            "removed": await api.get("agents/nanjing/plans/3/diff"),
            "specs": [
                spec
                for plan in whole
                if plan is not None
                for spec in plan["plan"]["streams"]
                if spec["type_p"].get("dscp") == EXPEDITED
            ],
        }


async def _until(api: ApiClient, path: str, holds: Any) -> None:
    while True:
        answer = await api.get(path)
        if answer is not None and holds(answer):
            return
        await asyncio.sleep(0.1)  # what it waits for are other processes


def _is_expedited_probe(log: Any) -> Any:
    """Return which packets are IPv4 UDP probes to a reflector with that DSCP."""
    head = log["head"]
    to_reflector = (head[:, 36].astype(np.int64) << 8 | head[:, 37]) == 862
    return (head[:, 12] == 8) & (head[:, 23] == 17) & to_reflector & (head[:, 15] >> 2 == EXPEDITED)


async def _stored(url: str) -> StoredWindows:
    async with ApiClient(url) as api:
        return await read_stored(api)
