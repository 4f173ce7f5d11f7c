import pytest

from foundation.text import Text
from topology.mesh import plan_streams
from topology.model import Ends, Interface, Path, Site
from topology.network import Network
from topology.selection import path_table, select, site_matches


def bound(network: Network) -> list[Path]:
    """Return the paths that the only target of a network binds."""
    table = path_table(network, plan_streams(network))
    mask = select(network.targets[0], network, table)
    return [path for path, binds in zip(table.paths, mask.tolist(), strict=True) if binds]


def test_target_that_selects_nothing_is_a_warning_that_says_why(parse, site):
    target = '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay"\nlimit_ms = 1\n'
    why = {
        'between = { roles = ["landmark"] }': "no site matches `between` (roles landmark)",
        'between = { cities = ["nanjing"] }': "only site `a` matches `between`",
        'relations = ["same_city"]': "no planned path has the relations same_city",
        'protocols = ["tcp"]': "carry none of the protocols tcp",
    }
    for text, says in why.items():
        network = parse(site("a") + site("b", "shanghai", 2) + target + text)
        assert len(network.warnings) == 1
        assert "target `t` (T) selects no path: " in network.warnings[0].en
        assert says in network.warnings[0].en


def test_site_without_interface_is_a_warning(parse, site):
    network = parse(site("a") + site("b", number=2) + '[[site]]\nname = "c"\ncity = "wuxi"\n')
    assert "site `c` is on no path: it has no interface" in network.warnings[0].en


def test_from_and_to_bind_the_way_back_unless_told_otherwise(parse, site):
    text = (
        site("a")
        + site("b", "shanghai", 2)
        + (
            '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay"\nlimit_ms = 5\n'
            'from = { cities = ["nanjing"] }\nto = { cities = ["shanghai"] }\n'
        )
    )
    assert len(bound(parse(text))) == 2
    only = bound(parse(text + "both_ways = false\n"))
    assert [(path.source.site, path.destination.site) for path in only] == [("a", "b")]


def test_relations_of_places_without_a_region(parse, site):
    text = site("a", "singapore") + site("b", "tokyo", 2)
    row = '[[target]]\nname = "t"\ntitle = "T"\nkind = "loss"\nlimit_ratio = 0.1\n'
    for relation, count in [
        ("same_hub", 0), ("same_metro", 0), ("different_province", 2), ("same_carrier", 2),
        ("different_carrier", 0), ("different_city", 2),
    ]:  # fmt: skip
        assert len(bound(parse(text + row + f'relations = ["{relation}"]\n'))) == count, relation


SITE = Site(
    name="a",
    title=Text("A", "A"),
    latitude_deg=32.0,
    longitude_deg=118.0,
    city="nanjing",
    province="jiangsu",
    roles=frozenset({"data_centre", "core_node"}),
    important=True,
    labels=frozenset({"port"}),
    interfaces=(Interface(id="a.telecom.v4", site="a", carrier="telecom", address="10.0.0.1"),),
)


@pytest.mark.parametrize(
    ("ends", "matches"),
    [
        (Ends(), True),
        (Ends(cities=("wuxi", "nanjing")), True),  # any word of a field will do
        (Ends(cities=("nanjing",), roles=("landmark",)), False),  # but every field must
        (Ends(roles=("landmark", "core_node")), True),
        (Ends(labels=("gold",)), False),
        (Ends(hubs=("yangtze",)), False),  # it lies in none
        (Ends(carriers=("telecom",)), True),
        (Ends(carriers=("unicom",)), False),
        (Ends(important=False), False),
    ],
)
def test_site_matches_a_selector_in_every_field(ends, matches):
    assert site_matches(ends, SITE) is matches


def test_table_has_each_path_once_and_says_which_protocols_it_carries(parse, site):
    mesh = '[[mesh]]\nname = "m"\none_way = true\n'
    mesh += "".join(f'[[mesh.stream]]\nprotocol = "{name}"\n' for name in ("icmp", "tcp"))
    network = parse(site("a") + site("b", number=2) + site("c", number=3) + mesh)
    table = path_table(network, plan_streams(network))
    assert [path.id for path in table.paths] == [
        "a.telecom.v4>b.telecom.v4",
        "a.telecom.v4>c.telecom.v4",
        "b.telecom.v4>c.telecom.v4",
    ]
    assert (table.source.tolist(), table.destination.tolist()) == ([0, 0, 1], [1, 2, 2])
    carried = {name: mask.tolist() for name, mask in table.protocols.items()}
    assert carried == {"icmp": [True] * 3, "tcp": [True] * 3, "udp": [False] * 3}


def test_target_binds_only_paths_that_carry_one_of_its_protocols(parse, site):
    target = '[[target]]\nname = "t"\ntitle = "T"\nkind = "loss"\nlimit_ratio = 0.1\n'
    mesh = (
        '[[mesh]]\nname = "m"\nkind = "list"\npairs = [["a", "b"]]\n'
        '[[mesh.stream]]\nprotocol = "icmp"\n'
        '[[mesh]]\nname = "n"\nkind = "list"\npairs = [["a", "c"]]\n'
        '[[mesh.stream]]\nprotocol = "tcp"\n'
    )
    sites = site("a") + site("b", number=2) + site("c", number=3)
    network = parse(sites + mesh + target + 'protocols = ["tcp"]\n')
    assert [p.id for p in bound(network)] == [
        "a.telecom.v4>c.telecom.v4",
        "c.telecom.v4>a.telecom.v4",
    ]
