"""The agent as a process: measures, delivers, survives its own end and its controller's."""

import shutil
import signal
import socket
from pathlib import Path

import msgspec
import pytest

from agent.plan.file import KEYS_FILE, PLAN_FILE, save_keys, save_plan
from agent.spool.file import Limits, SpoolFile
from agent.spool.sent_counters import read_sent_counters
from foundation.text import Text
from messages.exchange import Health, Refusal, StampKeys
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.stream import TypeP
from tests.agent.running_agent import (
    PLAN,
    Controller,
    last_totals,
    start,
    stop,
    stored_probes,
    until,
    without_send_lag,
)

pytestmark = pytest.mark.network


async def test_agent_measures_reports_and_stops_without_losing_a_probe(
    tmp_path: Path, controller: Controller
) -> None:
    process = await start(tmp_path, "[clock]\ndeclared_bound_us = 3\n")
    await until(lambda: len(controller.chunks) >= 3)
    code, errors = await stop(process, signal.SIGTERM)
    assert (code, without_send_lag(errors)) == (0, "")
    assert controller.health[0].clock_bound_ns == 3000
    sequences = sorted({chunk.sequence for chunk in controller.chunks})  # last one maybe twice
    assert sequences == list(range(1, len(sequences) + 1))
    assert {chunk.plan_version for chunk in controller.chunks} == {5}
    for chunk in controller.chunks:
        counters = chunk.batch.counters
        assert counters["sent"] == counters["received"]


async def test_process_whose_memory_was_copied_goes_on_under_a_boot_of_its_own(
    tmp_path: Path, controller: Controller
) -> None:
    """Delivered under that of before, its windows would pass for the other's."""
    process = await start(tmp_path)
    await until(lambda: controller.chunks)
    first = controller.chunks[0].boot
    said = Text("Another one is heard.", "已连接另一个探针。")
    controller.refusal = Refusal(text=said, duplicate=True, copy=True, retry_s=1.0)
    greeted = len(controller.health)
    for channel in tuple(controller.agents):
        await channel.close()
    await until(lambda: len(controller.health) >= greeted + 2)
    controller.refusal = None
    await until(lambda: controller.chunks[-1].boot != first)
    assert controller.health[-1].boot == (tmp_path / "state" / "lock").read_text()
    assert controller.health[-1].boot != first
    await stop(process, signal.SIGTERM)
    assert len({chunk.sequence for chunk in controller.chunks}) == len(
        {(chunk.boot, chunk.sequence) for chunk in controller.chunks}
    )


def dropped(health: Health) -> dict[str, int]:
    assert health.totals is not None
    return {one.reason: one.counts.get("probes", 0) for one in health.totals.dropped}


async def test_last_report_of_a_stopping_agent_accounts_for_every_probe(
    tmp_path: Path, controller: Controller
) -> None:
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        process = await start(tmp_path)
        before = len(controller.chunks)
        await until(lambda before=before: len(controller.chunks) >= before + 2)
        await stop(process, number)
    await until(lambda: not controller.agents)  # all that it said has been heard
    totals = last_totals(controller)
    assert totals.waiting.get("probes", 0) == 0
    lost = dropped(controller.health[-1])
    assert set(lost) <= {"cut_off"}
    assert totals.made.get("probes", 0) == stored_probes(controller) + sum(lost.values())
    assert sum(lost.values()) < 2 * 50  # two kills, each of the windows of a second at most


async def test_killed_agent_goes_on_with_its_sequence_and_plan(
    tmp_path: Path, controller: Controller
) -> None:
    process = await start(tmp_path)
    await until(lambda: len(controller.chunks) >= 2)
    controller.failing = True
    await stop(process, signal.SIGKILL)
    before = {(chunk.boot, chunk.sequence) for chunk in controller.chunks}
    (first_boot,) = {chunk.boot for chunk in controller.chunks}
    controller.failing = False
    process = await start(tmp_path)
    await until(lambda: len({chunk.boot for chunk in controller.chunks}) == 2)
    await stop(process, signal.SIGINT)
    keys = [(chunk.boot, chunk.sequence) for chunk in controller.chunks]
    later = [sequence for boot, sequence in keys if boot != first_boot]
    assert min(later) > max(sequence for boot, sequence in keys if boot == first_boot)
    # The kill may fall between commit and acknowledgement: then it comes again, the same chunk.
    starts = {(chunk.boot, chunk.sequence, chunk.batch.start_ns) for chunk in controller.chunks}
    assert len(set(keys)) == len(starts)
    assert before <= set(keys)


async def test_agent_measures_by_its_last_plan_without_a_controller(
    tmp_path: Path, controller: Controller
) -> None:
    process = await start(tmp_path)
    await until(lambda: controller.chunks)
    await stop(process, signal.SIGTERM)
    (tmp_path / "c.sock").rename(tmp_path / "away.sock")
    process = await start(tmp_path)
    assert process.stderr is not None
    assert b"cannot be reached" in await process.stderr.readline()
    spool = tmp_path / "state" / "spool.sqlite3-wal"
    await until(lambda: spool.exists() and spool.stat().st_size > 0)
    (tmp_path / "away.sock").rename(tmp_path / "c.sock")
    delivered = len(controller.chunks)
    await until(lambda: len(controller.chunks) > delivered)
    assert (await stop(process, signal.SIGTERM))[0] == 0


async def test_agent_probes_on_under_the_keys_it_has_kept_without_a_controller(
    tmp_path: Path,
) -> None:
    key, state = bytes(range(32)), tmp_path / "state"
    state.mkdir()
    with socket.socket(type=socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    kind = TypeP(protocol="udp", ip_version=4, port=port, mode="authenticated")
    stream = msgspec.structs.replace(PLAN.streams[0], type_p=kind)
    save_plan(state / PLAN_FILE, msgspec.structs.replace(PLAN, streams=(stream,)))
    save_keys(state / KEYS_FILE, StampKeys(epoch=3, probing={"127.0.0.1": key}))
    place = ReflectorSpec(
        address="127.0.0.1", port=port, peers=("127.0.0.1",), authenticated=("127.0.0.1",)
    )
    reflector = Reflector([place], own_clock_bound_ns=lambda: 0.0, stamp_keys={"127.0.0.1": (key,)})
    reflector.start()
    process = await start(tmp_path)
    try:
        await until(lambda: reflector.counters().reflected > 5)
        await stop(process, signal.SIGTERM)
    finally:
        reflector.stop()
    assert reflector.counters().forged == 0


async def test_agent_with_broken_papers_stops_in_order_though_it_has_begun_to_measure(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    (state / "trust").mkdir(parents=True)
    (state / "trust" / "agent.pem").write_text("no certificate", encoding="ascii")
    save_plan(state / "plan.json", PLAN)
    process = await start(tmp_path, controller_url="https://127.0.0.1:9")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert "enrol this agent again" in errors.decode()
    assert errors.decode().count("\n") == 1
    made = read_sent_counters(state / "spool.sent")
    spool = SpoolFile(state / "spool.sqlite3", Limits(1 << 20, 10**15))
    assert spool.accounted == made
    assert not spool.dropped["cut_off"]
    spool.close()


async def test_second_agent_in_one_state_directory_is_refused(
    tmp_path: Path, controller: Controller
) -> None:
    first = await start(tmp_path)
    await until(lambda: controller.health)
    second = await start(tmp_path)
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert errors.decode().startswith("isochrone: Another agent runs in")
    assert "Traceback" not in errors.decode()
    await stop(first, signal.SIGTERM)


async def test_campaign_of_many_flows_ends_no_agent_and_others_go_on(
    tmp_path: Path, controller: Controller
) -> None:
    """Neither when it is pushed nor when it is resumed, whatever the owner's policy allows."""
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit (util-linux) to take descriptors from a program")
    greedy = msgspec.structs.replace(
        PLAN.streams[0], stream_id=8, flows=4096, interval_ms=1000.0, destination="127.0.0.2"
    )
    plan = msgspec.structs.replace(PLAN, streams=(PLAN.streams[0], greedy))
    controller.plan = plan
    few = ("prlimit", "--nofile=128:128")
    for _ in range(2):
        controller.health.clear()
        process = await start(tmp_path, before=few, policy="max_sockets = 100000\n")
        await until(
            lambda: any(
                "LimitNOFILE" in condition.text.en
                for health in controller.health
                for condition in health.conditions
            )
        )
        sent = len(controller.chunks)
        await until(lambda sent=sent: len(controller.chunks) > sent + 1)
        code, errors = await stop(process, signal.SIGTERM)
        assert code == 0, errors
        assert "Traceback" not in errors
    assert {7} == {int(n) for chunk in controller.chunks for n in chunk.batch.stream_id}
