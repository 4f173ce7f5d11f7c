import pathlib
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import ConfigError
from foundation.text import Text
from topology.source_lines import SourceLines
from topology.strict import Problems, check, dotted, suggestion


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


def test_impossible_coordinate_is_refused(fault, site):
    error = fault(site("a", more="latitude_deg = 91.0\nlongitude_deg = 0.0\n"))
    assert "latitude_deg is 91.0, but must be ≥ -90 and ≤ 90" in error.text.en


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_coordinate_that_is_no_number_is_refused(fault, site, value):
    error = fault(site("a", more=f"latitude_deg = {value}\nlongitude_deg = 0.0\n"))
    assert "sites.toml:8: site[1].latitude_deg" in error.text.en


def test_wrong_name_is_told_what_a_name_is(fault, site):
    assert "1 to 40 of a-z" in fault(site("Nanjing_1")).text.en


def test_wrong_role_suggests_the_nearest(fault, site):
    text = site("a").replace("data_centre", "datacenter")
    assert "did you mean `data_centre`?" in fault(text).text.en


@pytest.mark.parametrize("value", ["nan", "inf", "1" + "0" * 400])
def test_number_that_is_not_finite_is_refused(fault, site, value):
    text = '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay"\nlimit_ms = '
    assert "not a finite number" in fault(site("a") + text + value + "\n").text.en


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A table within."""

    pair: tuple[str, str]
    ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """A file with one of each kind of value."""

    count: Annotated[int, msgspec.Meta(ge=1)]
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")] = "a"
    kind: Literal["full", "list"] = "full"
    on: bool = False
    title: str | Text | None = None
    inner: tuple[Inner, ...] = ()
    shares: dict[str, Inner] = {}


def problems_of(text: str = "") -> Problems:
    return Problems(pathlib.Path("some/f.toml"), SourceLines(text))


def faults(value: object) -> list[tuple[tuple[str | int, ...], str]]:
    problems = problems_of()
    check(value, Table, (), problems)
    return [(key, text.en) for key, text in problems.found]


@pytest.mark.parametrize(
    ("value", "key", "says"),
    [
        ([], (), " must be a table, not []"),
        ({}, (), "the file lacks `count`"),
        ({"count": 1.0}, ("count",), "count must be a whole number, not 1.0"),
        ({"count": True}, ("count",), "count must be a whole number, not True"),
        ({"count": 0}, ("count",), "count is 0, but must be ≥ 1"),
        ({"count": 1, "name": "A"}, ("name",), "`A` is not a name"),
        ({"count": 1, "name": 3}, ("name",), "name must be a string in quotes, not 3"),
        ({"count": 1, "kind": "lst"}, ("kind",), "kind cannot be `lst`; did you mean `list`?"),
        ({"count": 1, "on": 1}, ("on",), "on must be true or false, not 1"),
        ({"count": 1, "title": 1}, ("title",), "title must be a table, not 1"),
        ({"count": 1, "title": {"en": "a"}}, ("title",), "title lacks `zh`"),
        ({"count": 1, "inner": {}}, ("inner",), "inner must be a list [ … ], not {}"),
        (
            {"count": 1, "inner": [{"pair": ["a"]}]},
            ("inner", 0, "pair"),
            "inner[1].pair needs exactly 2 entries, not 1",
        ),
        (
            {"count": 1, "shares": {"x": {"pair": ["a", "b"], "ratio": 0}}},
            ("shares", "x", "ratio"),
            "shares.x.ratio is 0, but must be > 0 and ≤ 1",
        ),
    ],
)
def test_each_kind_of_value_is_refused_at_its_key(value, key, says):
    ((where, said),) = faults(value)
    assert (where, said[: len(says)]) == (key, says)


def test_a_sound_document_has_no_fault():
    inner = {"pair": ["a", "b"], "ratio": 1}
    for title in ("plain", {"en": "a", "zh": "b"}):
        value = {"count": 1, "kind": "list", "inner": [inner], "shares": {"x": inner}}
        assert faults(value | {"title": title}) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["count", "kind", "inner", "pair", "shares", "title", "en"]), inner
            )
        ),
    )
)
def test_what_has_no_fault_is_what_msgspec_takes(value):
    """Numbers aside that TOML has and JSON has not: msgspec takes infinity."""
    try:
        msgspec.convert(value, Table)
    except msgspec.ValidationError:
        assert faults(value)
    else:
        assert all("not a finite number" in said for _, said in faults(value))


def test_faults_are_told_in_the_order_of_the_file_with_line_and_key_of_the_first():
    problems = problems_of("a = 1\nb = 2\n")
    problems.add(("b",), "b is wrong", "b 有误")
    problems.add(("a",), "a is wrong", "a 有误")
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    assert caught.value.text == Text(
        "f.toml:1: a is wrong\nf.toml:2: b is wrong", "f.toml:1：a 有误\nf.toml:2：b 有误"
    )
    assert caught.value.fields == {"file": "some/f.toml", "line": 1, "key": "a"}


def test_twenty_faults_are_told_and_the_others_counted():
    problems = problems_of()
    for number in range(23):
        problems.add(("a", number), f"{number} is wrong", f"{number} 有误")
    with pytest.raises(ConfigError) as caught:
        problems.raise_if_any()
    lines = caught.value.text.en.splitlines()
    assert (len(lines), lines[-1]) == (21, "… and 3 more")
    assert caught.value.text.zh.splitlines()[-1] == "……另有 3 处"


def test_no_fault_raises_nothing():
    problems_of().raise_if_any()


def test_keys_of_a_part_are_named_by_their_place_in_the_whole():
    problems = problems_of()
    problems.look_on({("site",): [0, 2], ("site", 2, "interface"): [1]}, {("site", 1)})
    assert problems.original(("site", 1, "interface", 0, "address")) == (
        "site", 2, "interface", 1, "address",
    )  # fmt: skip
    assert problems.is_faulty(("site",))
    assert not problems.is_faulty(("site", 1))  # the third of the whole


def test_a_faulty_table_gets_no_second_fault():
    problems = problems_of()
    problems.look_on({}, {("site", 0, "city")})
    problems.add(("site", 0), "it lacks a city", "缺少城市")
    problems.add(("site", 1), "it lacks a city", "缺少城市")
    assert [key for key, _ in problems.found] == [("site", 1)]


def test_suggestion_names_the_nearest_word_else_those_there_are():
    assert suggestion("nanjng", ["wuxi", "nanjing"]).en == "; did you mean `nanjing`?"
    assert suggestion("x", ["b", "a", "c"], limit=2) == Text(
        "; known: `a`, `b`, …", "；可用：`a`、`b`、…"
    )
    assert suggestion("x", []) == Text("", "")


def test_numbers_in_keys_are_counted_from_one():
    assert dotted(("site", 1, "interface", 0, "ipv4")) == "site[2].interface[1].ipv4"
    assert dotted(()) == ""
