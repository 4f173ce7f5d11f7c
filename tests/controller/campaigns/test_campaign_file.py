"""Campaign files: strict, and every fault is one clear sentence."""

import pathlib
import re
import time

import msgspec
import pytest

from controller.campaigns.campaign_file import Campaign, asked_of, load_campaign
from foundation.errors import ConfigError

REFERENCE = pathlib.Path(__file__).parents[3] / "docs/reference/campaign-file.md"
GOOD = 'name = "autumn"\ntitle = "Autumn"\nduration_s = 60\n'


def write(folder, text):
    path = folder / "campaign.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_and_its_site_file_stands_beside_it(tmp_path):
    campaign = load_campaign(write(tmp_path, GOOD + 'sites = "sites.toml"\n'))
    assert campaign.title.zh == "Autumn"
    assert campaign.sites == str(tmp_path / "sites.toml")
    assert campaign.language == "zh"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (GOOD + "durations = 3\n", "duration_s"),
        (GOOD + 'sites = "a"\ncontroller = "http://b"\n', "exclude each other"),
        (GOOD.replace("60", "0"), "duration_s"),
        (GOOD + 'language = "fr"\n', "language"),
        ("name = ", "not valid TOML"),
        ('title = "x"\nduration_s = 1\n', "name"),
    ],
)
def test_a_faulty_file_is_an_error_that_names_file_and_key(tmp_path, text, word):
    with pytest.raises(ConfigError) as caught:
        load_campaign(write(tmp_path, text))
    assert "campaign.toml" in caught.value.message("en")
    assert word in caught.value.message("en")
    assert caught.value.message("zh")


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_campaign(tmp_path / "nowhere.toml")


def test_every_key_stands_in_the_reference():
    text = REFERENCE.read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE))
    assert described == set(Campaign.__struct_fields__)


def test_the_sample_of_the_reference_is_a_good_file(tmp_path):
    sample = re.search(r"```toml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert sample
    assert load_campaign(write(tmp_path, sample[1])).duration_s > 0


def test_the_declaration_is_the_schema():
    assert msgspec.json.schema(Campaign)["$defs"]["Campaign"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("begin = 2026-11-01T02:00:00\n", "file.toml:4: `begin` needs a `mesh`"),
        ('begin = "soon"\n[[mesh]]\nname = "a"\n', "file.toml:4: `soon` is not a time"),
        ('[[mesh]]\nname = "a"\nmembrs = {}\n', "did you mean `members`"),
        ('sites = "x.toml"\n[[mesh]]\nname = "a"\n', "with `sites` this machine measures"),
    ],
)
def test_what_a_campaign_asks_beyond_the_permanent_meshes_is_checked(tmp_path, more, said):
    file = tmp_path / "file.toml"
    file.write_text(GOOD + more, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_campaign(file)


@pytest.mark.parametrize("moment", ["2026-10-31T18:00:00", '"2026-10-31T18:00"', '"2026-10-31"'])
def test_a_time_without_a_zone_is_refused_with_its_two_readings(tmp_path, monkeypatch, moment):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    file = tmp_path / "file.toml"
    file.write_text(f'{GOOD}begin = {moment}\n[[mesh]]\nname = "a"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_campaign(file)
    for text in (raised.value.text.en, raised.value.text.zh):
        assert "+08:00" in text
        assert "+00:00" in text
    monkeypatch.undo()
    time.tzset()


def test_a_time_zone_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="Asia/Nanjing"):
        load_campaign(write(tmp_path, f'{GOOD}time_zone = "Asia/Nanjing"\n'))


@pytest.mark.parametrize(
    ("given", "environment", "asked"),
    [
        ('time_zone = "Europe/Berlin"\n', {"ISOCHRONE_TIME_ZONE": "Asia/Tokyo"}, "Europe/Berlin"),
        ("", {"ISOCHRONE_TIME_ZONE": "Asia/Tokyo"}, "Asia/Tokyo"),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": ":Asia/Shanghai"}, "Asia/Shanghai"),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": "UTC"}, None),
        ("", {"ISOCHRONE_TIME_ZONE": "", "TZ": "CST-8"}, None),
    ],
)
def test_the_zone_of_a_report_is_the_files_else_that_of_who_asks(
    tmp_path, monkeypatch, given, environment, asked
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = write(tmp_path, f'{GOOD}{given}[[mesh]]\nname = "a"\n')
    assert asked_of(load_campaign(file)).time_zone == asked
    monkeypatch.undo()
    time.tzset()


def test_a_time_is_that_of_its_zone(tmp_path):
    mesh = '[[mesh]]\nname = "a"\n'
    times = ("2026-11-01T02:00:00+08:00", "2026-10-31T18:00:00Z", '"2026-10-31T18:00Z"')
    found = set()
    for moment in times:
        file = tmp_path / "file.toml"
        file.write_text(f"{GOOD}begin = {moment}\n{mesh}", encoding="utf-8")
        found.add(asked_of(load_campaign(file)).begin_ns)
    assert found == {1_793_469_600_000_000_000}
