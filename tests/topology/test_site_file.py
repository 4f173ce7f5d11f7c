import importlib.resources
import pathlib
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import ConfigError
from foundation.text import Text
from topology import site_schema
from topology.mesh import plan_streams
from topology.model import Ends
from topology.network import Mesh, StreamChoice
from topology.site_file import load_network, parse_network

SAMPLE = pathlib.Path(str(importlib.resources.files("topology"))) / "sample.sites.toml"
REFERENCE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "site-file.md"


def test_sample_file_is_a_whole_network():
    network = load_network(SAMPLE)
    assert list(network.sites) == [
        "nanjing-dc1",
        "nanjing-dc2",
        "wuxi-dc1",
        "dafeng-dc1",
        "zhongwei-edge",
    ]
    dafeng = network.sites["dafeng-dc1"]
    assert (dafeng.city, dafeng.metro, dafeng.labels) == ("yancheng", None, {"port"})
    assert network.distance("zhongwei-edge", "wuxi-dc1").given
    assert network.carriers["unicom"].zh == "中国联通"
    assert plan_streams(network)


def test_sample_file_shows_every_key():
    text = SAMPLE.read_text()
    keys = {name for struct in _tables() for name in struct.__struct_encode_fields__}
    assert not {k for k in keys if not re.search(rf"\b{k}\b", text)}


def test_reference_describes_every_key():
    text = REFERENCE.read_text()
    for struct in _tables():
        if struct is Text:
            continue  # {en, zh}: described once, at the top
        missing = [
            k
            for k in struct.__struct_encode_fields__
            if f"`{k}`" not in text and f"[{k}" not in text and f".{k}]" not in text
        ]
        assert not missing, f"{struct.__name__}: {missing}"


def _tables() -> list[type[msgspec.Struct]]:
    """Return every table of the site file's declaration, found by walking it."""
    found: list[type[msgspec.Struct]] = []

    def walk(kind: object) -> None:
        if isinstance(kind, msgspec.inspect.Metadata):
            walk(kind.type)
        elif isinstance(kind, msgspec.inspect.StructType):
            if kind.cls not in found:
                found.append(kind.cls)
                for field in kind.fields:
                    walk(field.type)
        else:
            for part in ("item_type", "value_type"):
                if hasattr(kind, part):
                    walk(getattr(kind, part))
            for item in getattr(kind, "types", ()) or getattr(kind, "item_types", ()):
                walk(item)

    walk(msgspec.inspect.type_info(site_schema.SiteFile))
    assert {Ends, Mesh, StreamChoice} <= set(found)
    return found


def test_unknown_key_names_line_and_nearest_key(fault, site):
    error = fault(site("a", more="importent = true\n"))
    assert error.text.en == (
        "sites.toml:8: unknown key `importent` in site[1]; did you mean `important`?"
    )
    assert error.text.zh == (
        "sites.toml:8：site[1] 中有未知的键 `importent`；是否应为 `important`？"
    )
    assert error.fields["line"] == 8
    assert error.fields["key"] == "site[1].importent"


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


def test_duplicate_site_names_both_lines(fault, site):
    error = fault(site("a") + site("a", number=2))
    assert "sites.toml:12: site `a` is declared twice (first at sites.toml:4)" in error.text.en


def test_impossible_coordinate_is_refused(fault, site):
    error = fault(site("a", more="latitude_deg = 91.0\nlongitude_deg = 0.0\n"))
    assert "latitude_deg is 91.0, but must be ≥ -90 and ≤ 90" in error.text.en


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_coordinate_that_is_no_number_is_refused(fault, site, value):
    error = fault(site("a", more=f"latitude_deg = {value}\nlongitude_deg = 0.0\n"))
    assert "sites.toml:8: site[1].latitude_deg" in error.text.en


def test_half_a_coordinate_is_refused(fault, site):
    assert "only one coordinate" in fault(site("a", more="latitude_deg = 31.0\n")).text.en


def test_site_without_a_place_is_refused(fault):
    assert "has no location" in fault('[[site]]\nname = "a"\n').text.en


def test_duplicate_address_names_both_lines(fault, site):
    error = fault(site("a") + site("b"))
    assert "address 10.0.0.1 is already in use (at sites.toml:10)" in error.text.en


def test_one_address_in_two_spellings_is_a_duplicate(fault, site):
    more = '[[site.interface]]\ncarrier = "mobile"\nipv6 = "FD00:0::1"\n'
    error = fault(
        site("a", more=more) + site("b", number=2, more=more.replace("FD00:0::1", "fd00::1"))
    )
    assert "fd00::1 is already in use" in error.text.en


def test_unknown_city_suggests_the_nearest(fault, site):
    assert "did you mean `nanjing`?" in fault(site("a", city="nanjng")).text.en


def test_unknown_carrier_is_refused_where_carriers_are_declared(fault, parse, site):
    assert parse(site("a")).carriers["telecom"].en == "China Telecom"
    error = fault("[carriers.telecon]\n" + site("a"))
    assert "carrier `telecom` is not declared under [carriers]; did you mean `telecon`?" in (
        error.text.en
    )


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("10.0.0", "may mean 10.0.0.0 or a host named 10.0.0"),
        ("010.0.0.1", "may mean 8.0.0.1 (leading zeros are octal) or 10.0.0.1 (all decimal)"),
        ("10.0.0.256", "is not an IPv4 address"),
        ("10.0.0.1/24", "prefix length"),
        ("example.com", "names are not resolved"),
        ("0.0.0.0", "unspecified"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ("fe80::1%eth0", "link-local"),
        ("fe80::1", "link-local"),
    ],
)
def test_malformed_address_is_refused(fault, site, address, says):
    assert says in fault(site("a").replace("10.0.0.1", address)).text.en


def behind_nat(site, local: str, more: str = "") -> str:
    return site("a").replace('"10.0.0.1"', f'"203.0.113.1"\nlocal = "{local}"') + more


SECOND = '[[site.interface]]\ncarrier = "mobile"\naddress = "{}"\nlocal = "{}"\n'


def test_local_address_of_an_interface_is_kept_in_canonical_form(parse, site):
    more = SECOND.format("2001:db8::7", "FD00:0::1")
    interfaces = parse(behind_nat(site, "10.9.0.1", more)).sites["a"].interfaces
    assert [(one.address, one.local) for one in interfaces] == [
        ("203.0.113.1", "10.9.0.1"),
        ("2001:db8::7", "fd00::1"),
    ]


def test_two_sites_may_have_the_same_local_address(parse, site):
    other = site("b", number=2).replace('"10.0.0.2"', '"203.0.113.2"\nlocal = "10.9.0.1"')
    network = parse(behind_nat(site, "10.9.0.1") + other)
    assert {one.interfaces[0].local for one in network.sites.values()} == {"10.9.0.1"}


@pytest.mark.parametrize(
    ("local", "says"),
    [
        ("0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("010.9.0.1", "may mean 8.9.0.1"),
        ("10.9.0.1/24", "prefix length"),
        ("gateway", "names are not resolved"),
        ("fd00::1", "of another IP version"),
        ("fe80::1", "link-local"),
        ("203.0.113.9", "is also the address of site `a` (mobile)"),
        ("10.0.0.2", "is also the address of site `b` (telecom)"),
        ("10.9.0.9", "is given for both 203.0.113.1 and 203.0.113.9 of site `a`"),
    ],
)
def test_local_address_that_can_not_be_meant_is_refused(fault, site, local, says):
    more = SECOND.format("203.0.113.9", "10.9.0.9") + site("b", number=2)
    assert says in fault(behind_nat(site, local, more)).text.en


def test_ipv6_local_addresses_are_held_to_the_same(fault, site):
    for local, says in (("::", "unspecified"), ("ff02::1", "multicast"), ("fd00::1", "both")):
        more = SECOND.format("2001:db8::1", "fd00:0::1")
        more += SECOND.format("2001:db8::2", local).replace("mobile", "unicom")
        assert says in fault(site("a", more=more)).text.en


def test_address_under_the_other_family_is_refused(fault, site):
    error = fault(site("a").replace("address =", "ipv6 ="))
    assert "`10.0.0.1` is an IPv4 address under `ipv6`; move it" in error.text.en


def test_two_addresses_of_one_family_on_one_carrier_are_refused(fault, site):
    more = '[[site.interface]]\ncarrier = "telecom"\naddress = "10.0.0.9"\n'
    assert "already has an IPv4 address" in fault(site("a") + more).text.en


def test_interface_without_address_is_refused(fault, site):
    assert "no `address`" in fault(site("a").replace('address = "10.0.0.1"', "")).text.en


def test_unknown_preset_suggests_the_nearest(site):
    text = '[network]\nname = "x"\npresets = ["jiangsoo"]\n' + site("a")
    with pytest.raises(ConfigError, match=r"sites\.toml:3: .*did you mean `jiangsu`"):
        parse_network(text, pathlib.Path("sites.toml"))


def test_wrong_name_is_told_what_a_name_is(fault, site):
    assert "1 to 40 of a-z" in fault(site("Nanjing_1")).text.en


def test_wrong_role_suggests_the_nearest(fault, site):
    text = site("a").replace("data_centre", "datacenter")
    assert "did you mean `data_centre`?" in fault(text).text.en


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('members = { sites = ["aa"] }', "no site is called `aa`"),
        ('members = { metros = ["nanjing"] }', "did you mean `nanjing-area`?"),
        ('members = { labels = ["gold"] }', "no label is called `gold`"),
        ('kind = "ful"', "did you mean `full`?"),
        ('kind = "list"', "needs `pairs`"),
        ('kind = "disjoint"\na = {}', "needs `a` and `b`"),
        ('pairs = [["a", "a"]]', "a mesh of kind `full` has no `pairs`"),
        ('kind = "list"\npairs = [["a"]]', "needs exactly 2 entries, not 1"),
        ('kind = "list"\npairs = [["a", "c"]]', "no site is called `c`"),
        ('exclude = [["a", "c"]]', "no site is called `c`"),
        ("stream = []", "has no stream"),
        ('[[mesh.stream]]\nprotocol = "udp"\npayload_bytes = 20', "44 or more"),
        (
            '[[mesh.stream]]\nprotocol = "udp"\nauthenticated = true\npayload_bytes = 64',
            "authenticated STAMP packet; use 112 or more",
        ),
        ('[[mesh.stream]]\nprotocol = "tcp"\nauthenticated = true', "only udp can be auth"),
        ('[[mesh.stream]]\nprotocol = "udp"\nauthenticated = 1', "must be true or false"),
        ('[[mesh.stream]]\nprotocol = "udp"\nauthentic = true', "did you mean `authenticated`?"),
        ('[[mesh.stream]]\nprotocol = "icmp"\nport = 1', "icmp has no port"),
        ('[[mesh.stream]]\nprotocol = "icmp"\ninterval_ms = 0', "must be ≥ 1"),
        ('[[mesh.stream]]\nprotocol = "icmp"\nflows = 1.5', "whole number"),
        ("one_way = 1", "must be true or false"),
        ("ip_versions = [5]", "cannot be `5`"),
    ],
)
def test_mesh_that_cannot_be_is_refused_at_its_line(fault, site, text, says):
    error = fault(site("a") + '[[mesh]]\nname = "m"\n' + text + "\n")
    assert says in error.text.en
    assert re.match(r"sites\.toml:1[1-9]:", error.text.en)


def test_external_sites_have_no_key(fault, site):
    text = site("a") + site("b", "wuxi", 2).replace("[[site]]", "[[site]]\nexternal = true")
    text += '[[mesh]]\nname = "m"\n[[mesh.stream]]\nprotocol = "udp"\nauthenticated = true\n'
    error = fault(text)
    assert 'destinations = "agents"' in error.text.en
    assert "外部站点没有我方密钥" in error.text.zh


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kind = "delay"', "needs `limit_ms`"),
        ('kind = "loss"\nlimit_ratio = 1.2', "above 0 and below 1"),
        ('kind = "delay"\nlimit_ms = -1', "must be above 0"),
        ('kind = "delay"\nlimit_ms = 1\nfrom = { cities = ["shanghia"] }', "`shanghai`?"),
        ('kind = "delay"\nlimit_ms = 1\nrelations = ["same_town"]', "cannot be `same_town`"),
        ('kind = "delay"\nlimit_ms = 1\ngoals = { "2025" = 85 }', "share up to 1"),
        ('kind = "delay"\nlimit_ms = true', "must be a number"),
        ('kind = "inventory"', "needs `indicator`"),
    ],
)
def test_target_that_cannot_be_is_refused_at_its_line(fault, site, text, says):
    error = fault(site("a") + '[[target]]\nname = "t"\ntitle = "T"\n' + text + "\n")
    assert says in error.text.en
    assert re.match(r"sites\.toml:1[1-9]:", error.text.en)


def test_road_shorter_than_the_straight_line_is_refused(fault, site):
    text = site("a") + site("b", "shanghai", 2) + '[[distance]]\nbetween=["a","b"]\nroad_km=100\n'
    assert "shorter than the straight line" in fault(text).text.en


def test_distance_given_twice_is_refused(fault, site):
    row = '[[distance]]\nbetween=["{}","{}"]\nroad_km=300\n'
    text = site("a") + site("b", "shanghai", 2) + row.format("a", "b") + row.format("b", "a")
    assert "given twice" in fault(text).text.en


def test_target_of_the_same_name_replaces_the_preset(site):
    text = (
        '[network]\nname = "x"\npresets = ["jiangsu"]\n'
        + site("a")
        + '[[target]]\nname = "jiangsu-circle-1"\ntitle = "T"\nkind = "delay"\nlimit_ms = 0.5\n'
    )
    network = parse_network(text, pathlib.Path("sites.toml"))
    assert [t.limit_ms for t in network.targets if t.name == "jiangsu-circle-1"] == [0.5]


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


@pytest.mark.parametrize("value", ["nan", "inf", "1" + "0" * 400])
def test_number_that_is_not_finite_is_refused(fault, site, value):
    text = '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay"\nlimit_ms = '
    assert "not a finite number" in fault(site("a") + text + value + "\n").text.en


@pytest.mark.parametrize("page", ["describe-your-network.md", "describe-your-network.zh.md"])
def test_guide_is_a_file_that_loads(page):
    text = (REFERENCE.parents[1] / "guides" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    network = parse_network("\n".join(blocks), pathlib.Path(page))
    assert {t.name for t in network.targets} >= {"gold", "jiangsu-circle-5"}
    assert network.distance("nanjing-dc1", "wuxi-dc1").road_km == 185.0


def test_file_with_a_byte_order_mark_is_read(tmp_path, site):
    path = tmp_path / "sites.toml"
    path.write_text('[network]\nname = "x"\n' + site("a") + site("b", number=2), "utf-8-sig")
    assert list(load_network(path).sites) == ["a", "b"]


def test_broken_toml_is_one_sentence(fault):
    assert fault("[network\n").text.en.startswith("sites.toml: not valid TOML")


def test_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="Cannot read the site file"):
        load_network(tmp_path / "none.toml")


def test_file_that_is_no_text_is_one_sentence(tmp_path):
    path = tmp_path / "sites.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_network(path)


def test_file_without_sites_says_so(fault):
    assert "lacks `site`" in fault("").text.en


TOML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["network", "name", "site", "mesh", "target", "between", "title", "city"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(TOML_VALUES)
def test_any_document_is_a_network_or_a_config_error(value):
    text = (
        "".join(f"{key} = {_toml(item)}\n" for key, item in value.items())
        if isinstance(value, dict)
        else f"x = {_toml(value)}\n"
    )
    try:
        parse_network(text, pathlib.Path("sites.toml"))
    except ConfigError as error:
        assert error.text.zh  # noqa: PT017 - both outcomes are allowed


def _toml(value: object) -> str:
    """Return a value as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return "'" + "".join(c for c in value if c.isalnum()) + "'"
    return {None: "''", True: "true", False: "false"}.get(value, str(value))  # type: ignore[arg-type]  # any value may be asked for
