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


def test_unknown_preset_suggests_the_nearest(site):
    text = '[network]\nname = "x"\npresets = ["jiangsoo"]\n' + site("a")
    with pytest.raises(ConfigError, match=r"sites\.toml:3: .*did you mean `jiangsu`"):
        parse_network(text, pathlib.Path("sites.toml"))


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


@pytest.mark.parametrize("kind", ["comparison", "ipv6_parity"])
def test_two_paths_are_compared_by_their_round_trips(parse, site, kind):
    target = f'[[target]]\nname = "own"\ntitle = "T"\nkind = "{kind}"\n'
    target += 'against = { roles = ["ordinary_internet"] }\n' if kind == "comparison" else ""
    (own,) = parse(
        site("a", "wuxi") + site("b", number=2) + target + 'direction = "one_way"\n'
    ).targets
    assert own.direction == "round_trip"


@pytest.mark.parametrize(("kept", "direction"), [("ipdv", "round_trip"), ("pdv", "one_way")])
def test_variation_between_neighbours_is_that_of_round_trips(parse, site, kept, direction):
    target = '[[target]]\nname = "own"\ntitle = "T"\nkind = "variation"\nlimit_ms = 1.0\n'
    text = site("a", "wuxi") + site("b", number=2) + target + f'variation = "{kept}"\n'
    (own,) = parse(text).targets
    assert own.direction == direction
