"""Which path is compared with which; links declared by pair."""

import pathlib

from topology.mesh import plan_streams
from topology.presets import load_preset
from topology.site_file import parse_network
from topology.targets import declared, demands, ring_centres

CHANNELS = """
[network]
name = "n"
presets = ["jiangsu"]
[[site]]
name = "near"
city = "nanjing"
roles = ["international_channel", "ordinary_internet"]
interface = [
    { carrier = "telecom", address = "10.0.0.1" },
    { carrier = "unicom", address = "10.0.1.1" },
]
[[site]]
name = "far"
city = "singapore"
external = true
roles = ["international_channel"]
interface = [{ carrier = "telecom", address = "10.0.0.2" }]
[[site]]
name = "plain"
city = "singapore"
external = true
roles = ["ordinary_internet"]
interface = [{ carrier = "telecom", address = "10.0.0.3" }]
"""


def parse(text):
    return parse_network(text, pathlib.Path("n.toml"))


def of(network, name):
    made = demands(network, plan_streams(network))
    return {d.path.id: d for d in made if d.target.name == name}


def test_channel_is_compared_with_the_ordinary_path_of_its_cities_and_carrier():
    found = of(parse(CHANNELS), "jiangsu-channel-against-delay")
    demand = found["near.telecom.v4>far.telecom.v4"]
    assert demand.other is not None
    assert demand.other.id == "near.telecom.v4>plain.telecom.v4"
    assert demand.limit_ratio == 1.0
    other = found["near.unicom.v4>far.telecom.v4"].other
    assert other is not None
    assert other.id == "near.unicom.v4>plain.telecom.v4"


def test_channel_without_ordinary_path_between_its_cities_has_no_reference_path():
    moved = CHANNELS.replace(
        'name = "plain"\ncity = "singapore"', 'name = "plain"\ncity = "beijing"'
    )
    found = of(parse(moved), "jiangsu-channel-against-delay")
    assert [demand.other for demand in found.values()] == [None] * len(found)


TWO = """
[network]
name = "n"
presets = ["jiangsu"]
[[site]]
name = "a"
city = "nanjing"
roles = ["data_centre"]
important = true
interface = [{ carrier = "telecom", ipv4 = "10.0.0.1", ipv6 = "2001:db8::1" }]
[[site]]
name = "b"
city = "suzhou"
roles = ["data_centre"]
important = true
interface = [
    { carrier = "telecom", ipv4 = "10.0.0.2", ipv6 = "2001:db8::2" },
    { carrier = "unicom", ipv4 = "10.0.1.2" },
]
[[link]]
between = ["b", "a"]
one_hop = false
"""


def test_ipv6_path_is_judged_beside_the_ipv4_path_of_the_same_carriers():
    found = of(parse(TWO), "jiangsu-ipv6-parity")
    demand = found["a.telecom.v6>b.telecom.v6"]
    assert demand.other is not None
    assert demand.other.id == "a.telecom.v4>b.telecom.v4"
    assert "a.telecom.v4>b.telecom.v4" not in found
    assert not [path for path in found if path.endswith("v4")]


def test_one_hop_is_declared_by_pair():
    network = parse(TWO)
    target = next(t for t in network.targets if t.name == "jiangsu-one-hop")
    assert [(d.site, d.other_site, d.value) for d in declared(network, target)] == [("b", "a", 0.0)]


def test_improvement_by_eighty_percent_leaves_a_fifth():
    text = TWO + (
        '[[target]]\nname = "better"\ntitle = "T"\nkind = "improvement"\nlimit_ratio = 0.8\n'
    )
    found = of(parse(text), "better")
    assert {round(d.limit_ratio or 0, 9) for d in found.values()} == {0.2}


def test_ring_is_drawn_around_what_the_target_leads_to():
    network = parse(TWO + WEST)
    target = next(t for t in network.targets if t.name == "to-b")
    assert ring_centres(network, target) == ("b",)


WEST = (
    '[[target]]\nname = "to-b"\ntitle = "T"\nkind = "delay"\nlimit_ms = 5\nto = { sites = ["b"] }\n'
)


def test_groups_of_the_presets_are_the_circles_and_the_hub_pairs():
    groups = {t.group for name in ("jiangsu", "national") for t in load_preset(name).targets}
    assert groups == {None, "jiangsu-circles", "national-hub-pairs"}
