"""`isochrone doctor`: whoever is installed is examined, and nobody is not well."""

import json
from pathlib import Path

from click.testing import CliRunner

from lab.doctor_command import doctor


def words(tmp_path: Path) -> list[str]:
    places = {"agent-config": "agent.toml", "sites": "sites.toml", "data": "data"}
    return [w for name, place in places.items() for w in (f"--{name}", str(tmp_path / place))]


def test_where_nothing_is_installed_it_says_what_to_name(tmp_path: Path) -> None:
    done = CliRunner().invoke(doctor, [*words(tmp_path), "--json"])
    (found,) = json.loads(done.stdout)
    assert (found["check"], found["status"]) == ("installed", "fail")
    assert "--agent-config" in found["text"]["en"]
    assert done.exit_code == 1


def test_a_site_file_that_is_wrong_is_found_by_the_controllers_examination(tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text("[network\n")
    done = CliRunner().invoke(doctor, words(tmp_path), env={"ISOCHRONE_LANG": "en"})
    assert done.exit_code == 1
    assert "sites.toml" in done.stdout
