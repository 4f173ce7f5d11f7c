import pathlib

import pytest

from foundation.errors import ConfigError
from topology.site_file import parse_network
from topology.site_schema import SiteFile
from topology.source_lines import SourceLines
from topology.strict import Problems
from topology.valid_part import doubtful_words, valid_part


def test_every_fault_is_named_in_one_run(fault, site):
    error = fault(site("a", more="latitude = 3\n") + site("b", more='metro = ["x"]\n'))
    assert lines_of(error) == [8, 17, 20]  # an unknown key, a wrong value, an address used twice


def lines_of(error):
    return [int(line.split(":")[1]) for line in error.text.en.splitlines()]


EVERY_KIND_OF_FAULT = """
[network]
name = "x"
presets = ["jiangsuu", "nationall"]
yeer = 2030
[[site]]
name = "a"
city = "nanjingg"
metro = "atlantis"
interface = [{ carrier = "telecom", ipv4 = "192.0.2.300" }]
[[site]]
name = "b"
important = "yes"
city = "suzhou"
interface = [{ carrier = "telecom", ipv6 = "192.0.2.1" }, { carrier = "Telecom", ipv4 = "1.1.1.1" }]
[[site]]
name = "b"
city = "wuxi"
interface = [{ carrier = "telecom", ipv4 = "224.0.0.1" }, { carrier = "unicom" }]
[[mesh]]
name = "m"
members = { sites = ["a", "nowhere"], cities = ["nanjingg", "paris"] }
[[mesh.stream]]
protocol = "icmp"
dscp = 99
[[distance]]
between = ["a", "zz"]
[[link]]
between = ["b", "b"]
one_hop = true
[[target]]
name = "t"
title = "T"
kind = "delay"
direction = "round_trip"
statistic = "p95"
limit_ms = -1.0
between = { labels = ["unheard-of"] }
"""


def test_presets_cities_addresses_and_sites_are_named_beside_keys(tmp_path):
    with pytest.raises(ConfigError) as caught:
        parse_network(EVERY_KIND_OF_FAULT, pathlib.Path("sites.toml"))
    said = caught.value.text.en.splitlines()
    named = [
        "4: no preset is called `jiangsuu`",
        "4: no preset is called `nationall`",
        "5: unknown key `yeer`",
        "8: no city is called `nanjingg`",
        "9: no metro is called `atlantis`",
        "10: `192.0.2.300` is not an IPv4 address",
        "13: site[2].important must be true or false",
        "15: `Telecom` is not a name",
        "15: `192.0.2.1` is an IPv4 address under `ipv6`",
        "17: site `b` is declared twice",
        "19: `224.0.0.1` is a multicast address",
        "19: the interface has no `address`",
        "22: no site is called `nowhere`",
        "22: no city is called `paris`",
        "25: mesh[1].stream[1].dscp is 99",
        "27: no site is called `zz`",
        "29: the link between `b` and `b`",
        "37: limit_ms is -1.0",
        "38: no label is called `unheard-of`",
    ]
    for fault, line in zip(named, said, strict=True):
        assert line.startswith(f"sites.toml:{fault}")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # Coordinates are wrong, not absent; a road to where nobody knows may be right.
        ('[[site]]\nname = "a"\nlatitude_deg = "x"\nlongitude_deg = 1.0\n', [5]),
        ('[[site]]\nname = "a"\ncity = "x"\n[[distance]]\nbetween=["a","b"]\nroad_km=1\n', [5]),
        # What a faulty table declares may be meant elsewhere.
        (
            '[[place]]\nname = "my-town"\ntitle = { en = "M", zh = "M" }\nlatitude_deg = 99\n'
            'longitude_deg = 1\n[[site]]\nname = "a"\ncity = "my-town"\n',
            [6],
        ),
        ('[[site]]\nnam = "a"\n[[link]]\nbetween = ["a", "b"]\none_hop = true\n', [3, 4]),
        # Nothing but the title is wrong with the network.
        ('[[site]]\nname = "a"\ncity = "wuxi"\n', []),
    ],
)
def test_what_only_follows_from_a_fault_is_not_told(text, lines):
    head = '[network]\nname = "x"\n' if lines else '[network]\nname = "x"\ntitle = 3\n'
    more = '[[site]]\nname = "b"\ncity = "suzhou"\n'
    with pytest.raises(ConfigError) as caught:
        parse_network(head + text + more, pathlib.Path("sites.toml"))
    assert lines_of(caught.value) == (lines or [3])


def test_without_a_network_the_rest_is_read_all_the_same():
    text = '[netwrok]\nname = "x"\n[[site]]\nname = "a"\ncity = "nanjingg"\n'
    with pytest.raises(ConfigError) as caught:
        parse_network(text, pathlib.Path("sites.toml"))
    assert "no city is called `nanjingg`" in caught.value.text.en
    assert "netwrok" in caught.value.text.en


def part_of(raw, *faults):
    """Return the valid part of a document with faults at keys, and who continues naming faults."""
    problems = Problems(pathlib.Path("sites.toml"), SourceLines(""))
    for key in faults:
        problems.add(key, "it is wrong", "有误")
    return valid_part(raw, SiteFile, problems, {"network": {"name": "n"}, "site": []}), problems


def test_a_faulty_value_is_left_out_and_its_table_kept():
    raw = {"network": {"name": "n", "year": "x"}, "site": [{"name": "a", "city": 3}]}
    part, _ = part_of(raw, ("network", "year"), ("site", 0, "city"))
    assert part == {"network": {"name": "n"}, "site": [{"name": "a"}]}
    assert raw["site"] == [{"name": "a", "city": 3}]  # the document itself stays as it is


def test_a_table_that_cannot_do_without_goes_and_the_others_keep_their_places():
    raw = {"network": {"name": "n"}, "site": [{"name": 1}, {"name": "b"}, {"name": "c"}]}
    part, problems = part_of(raw, ("site", 0, "name"))
    assert part is not None
    assert part["site"] == [{"name": "b"}, {"name": "c"}]
    assert problems.original(("site", 1, "city")) == ("site", 2, "city")


def test_what_the_document_cannot_do_without_has_a_stand_in():
    part, _ = part_of({"mesh": [], "network": {"year": 2026}}, ())
    assert part == {"mesh": [], "network": {"name": "n", "year": 2026}, "site": []}


def test_a_document_whose_sites_are_no_list_has_no_valid_part():
    part, _ = part_of({"network": {"name": "n"}, "site": "none"}, ("site",))
    assert part is None


def test_words_of_a_faulty_declaration_are_doubtful_and_others_are_not():
    raw = {
        "site": [{"name": "a", "interface": [{"carrier": "telecom"}]}, {"name": "b"}],
        "carriers": {"unicom": {"title": 1}, "mobile": {}},
        "mesh": [{"name": "m"}],
    }
    _, problems = part_of(raw, ("site", 0, "city"), ("carriers", "unicom"), ("mesh", 0, "kind"))
    doubtful = doubtful_words(raw, problems)
    assert {"a", "telecom", "unicom"} <= doubtful
    assert not doubtful & {"b", "mobile", "m"}
