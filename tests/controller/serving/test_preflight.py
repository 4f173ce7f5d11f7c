"""The controller's doctor finds what is wrong and says what to do about it."""

import dataclasses
import socket
from pathlib import Path

from click.testing import CliRunner

from controller.api.server.addresses import Listen
from controller.serving.preflight import examine
from foundation.text import Text
from isochrone import front_door
from lab.fleet.scenario import find_scenario
from topology.site_file import load_network

SITES = find_scenario("tiny").with_name("tiny.sites.toml")


def found(sites: Path, data: Path, *listens: Listen) -> dict[str, tuple[str, str]]:
    return {one.check: (one.status, one.text.en) for one in examine(sites, data, listens)}


def test_sound_controller_has_nothing_that_fails(tmp_path: Path) -> None:
    told = found(SITES, tmp_path, Listen(unix=tmp_path / "c.sock"))
    assert told["sites"][1].endswith("3 agents.")
    assert {status for status, _ in told.values()} <= {"ok", "warn"}


def test_port_in_use_broken_site_file_and_damaged_store_are_told(tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text("nonsense", encoding="utf-8")
    (tmp_path / "isochrone.db").write_bytes(b"rubbish" * 1000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = Listen(host="127.0.0.1", port=taken.getsockname()[1])
        told = found(tmp_path / "sites.toml", tmp_path, listen)
    for check in ("sites", "store", "listen"):
        assert told[check][0] == "fail"
    assert "restore a backup" in told["store"][1]


def test_doctor_of_a_machine_examines_what_is_there(tmp_path: Path) -> None:
    def doctor(*words: str):
        return CliRunner(env={"ISOCHRONE_LANG": "en"}).invoke(front_door, ["doctor", *words])

    nothing = doctor("--agent-config", str(tmp_path / "a"), "--sites", str(tmp_path / "s"))
    assert nothing.exit_code == 1
    assert "There is neither" in nothing.output
    both = doctor(
        "--agent-config", str(tmp_path / "a"), "--sites", str(SITES), "--data", str(tmp_path)
    )
    assert "3 agents" in both.output


def test_a_data_directory_that_is_yet_to_be_made_is_no_fault(tmp_path: Path) -> None:
    data = tmp_path / "new"
    told = found(SITES, data, Listen(unix=data / "controller.sock"))
    assert told["data"][0] in ("ok", "warn")
    assert "does not exist yet" in told["data"][1] or "GiB left" in told["data"][1]
    assert told["listen"] == ("ok", f"Can listen on unix:{data}/controller.sock.")
    elsewhere = found(SITES, data, Listen(unix=tmp_path / "missing" / "c.sock"))
    assert elsewhere["listen"][0] == "fail"
    assert "No such file" in elsewhere["listen"][1]


def test_every_warning_of_a_site_file_is_named(tmp_path: Path, monkeypatch) -> None:
    network = load_network(SITES)
    warnings = tuple(Text(f"Warning {number}.", f"警告 {number}。") for number in range(8))
    monkeypatch.setattr(
        "controller.serving.preflight.load_network",
        lambda _: dataclasses.replace(network, warnings=warnings),
    )
    told = [one.text.en for one in examine(SITES, tmp_path, ()) if one.check == "sites"]
    assert told[1:] == [warning.en for warning in warnings]
