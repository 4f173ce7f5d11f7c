"""The services are opened whole or not at all; without room for a new plan the last one serves."""

import pathlib

import pytest

from controller.serving import assembly
from controller.serving.assembly import open_services
from controller.settings import Settings
from controller.store.interface import StoreFullError
from foundation.errors import IsochroneError
from tests.controller.conftest import SetClock
from topology.site_file import load_network


async def test_every_service_knows_the_same_others(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: SetClock
) -> None:
    services = open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
    await services.rounds.make()
    latest = services.readings.snapshots.latest
    assert latest.round is services.rounds.live.latest  # published after the round
    assert latest.plans == services.distribution.plans
    assert latest.campaigns == services.campaigns.records
    assert set(latest.fleet.agents) == set(latest.plans)
    assert services.readings.archive.state().state == "ok"
    services.close()


def test_without_room_for_new_plans_the_network_before_serves_and_says_so(
    site_file: pathlib.Path,
    tmp_path: pathlib.Path,
    clock: SetClock,
    sites_text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life, before = tmp_path / "life", load_network(site_file)
    open_services(before, life, Settings(), clock).close()
    changed = sites_text.replace("port = 8620", "port = 8621")
    site_file.write_text(changed, encoding="utf-8")
    first_plan = assembly.first_plan

    def full(network, opened, now_ns):  # type: ignore[no-untyped-def]  # as the one it stands for
        if network.warnings == before.warnings:
            raise StoreFullError("The disk is full.", "磁盘已满。")
        return first_plan(network, opened, now_ns)

    monkeypatch.setattr(assembly, "first_plan", full)
    services = open_services(load_network(site_file), life, Settings(), clock)
    network = services.readings.snapshots.latest.scope.network
    assert any("磁盘已满" in warning.zh for warning in network.warnings)
    ports = {stream.type_p.port for stream in services.readings.snapshots.latest.scope.streams}
    assert 8620 in ports
    services.close()


def test_what_cannot_be_opened_leaves_nothing_open(
    site_file: pathlib.Path, tmp_path: pathlib.Path, clock: SetClock
) -> None:
    (tmp_path / "life").write_text("no directory", encoding="utf-8")
    with pytest.raises(IsochroneError):
        open_services(load_network(site_file), tmp_path / "life", Settings(), clock)
    assert (tmp_path / "life").read_text(encoding="utf-8") == "no directory"
