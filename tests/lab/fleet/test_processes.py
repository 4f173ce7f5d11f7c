"""The controller and the WAN as children: who dies by himself is told with the end of his log."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import ResourceError
from lab.fleet.processes import ControllerProcess, WanProcess
from lab.fleet.wan_spec import WanSpec


def told_of(check: Callable[[], object]) -> str:
    give_up_s = time.monotonic() + 120  # a hang, not slowness
    try:
        while time.monotonic() < give_up_s:
            check()
    except ResourceError as error:
        return error.text.en
    raise AssertionError("it did not die")


def test_a_controller_that_cannot_start_is_told_of_with_its_reason(tmp_path: Path) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text('[network]\nnam = "typing error"\n')
    controller = ControllerProcess(tmp_path, sites, {"window": 1.0})
    controller.start()
    said = told_of(controller.check)
    assert "controller.log" in said
    assert "nam" in said
    controller.stop()
    controller.check()  # who was ended has not died by himself


def test_a_controller_that_was_killed_is_not_missed_and_can_start_again(tmp_path: Path) -> None:
    controller = ControllerProcess(tmp_path, tmp_path / "none.toml", {}, "--judge-every", "7")
    assert controller.url == f"unix://{tmp_path / 'controller.sock'}"
    controller.start()
    controller.kill()
    controller.check()
    controller.start()
    assert "none.toml" in told_of(controller.check)
    controller.kill()


@pytest.mark.network
def test_a_wan_that_cannot_read_its_table_is_told_of_and_leaves_nothing_running(
    namespaces: None, tmp_path: Path
) -> None:
    spec = WanSpec(
        run_dir=str(tmp_path),
        remove_when_orphaned=False,
        sites=(),
        table=str(tmp_path / "none.npz"),
        log_dir=str(tmp_path / "truth"),
        seed=1,
    )
    wan = WanProcess(spec)
    said = told_of(wan.ready)
    assert "none.npz" in said
    assert wan.finished is None
    wan.stop()
