"""The site file of before, kept for a start without room for new plans."""

import pathlib

from controller.data_directory import SITES_NAME
from controller.plans.last_sites import keep_sites, last_network
from foundation.text import Text
from tests.controller.conftest import SITES
from topology.site_file import load_network

NO_ROOM = Text("The disk is full.", "磁盘已满。")


def test_what_was_kept_is_served_on_and_says_why(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(SITES, encoding="utf-8")
    network = load_network(file)
    keep_sites(tmp_path, network)
    assert (tmp_path / SITES_NAME).read_text(encoding="utf-8") == SITES
    assert (tmp_path / SITES_NAME).stat().st_mode & 0o777 == 0o600
    before = last_network(tmp_path, NO_ROOM)
    assert before is not None
    assert before.sites == network.sites
    assert NO_ROOM.en in before.warnings[0].en
    assert NO_ROOM.zh in before.warnings[0].zh


def test_where_nothing_was_kept_or_it_is_damaged_there_is_none(tmp_path: pathlib.Path) -> None:
    assert last_network(tmp_path, NO_ROOM) is None
    (tmp_path / SITES_NAME).write_text("[network", encoding="utf-8")
    assert last_network(tmp_path, NO_ROOM) is None


def test_a_file_that_cannot_be_kept_leaves_that_of_before(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(SITES, encoding="utf-8")
    keep_sites(tmp_path, load_network(file))
    file.write_text(SITES.replace('"trial"', '"other"'), encoding="utf-8")
    (tmp_path / f".{SITES_NAME}.part").mkdir()  # where it would be written first
    keep_sites(tmp_path, load_network(file))
    assert (tmp_path / SITES_NAME).read_text(encoding="utf-8") == SITES
