"""The path table: filters in both languages, sorting, and what a cell says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tui import documents as doc
from tui.fleet import Fleet
from tui.pages.paths import model
from tui.pages.paths.model import PathIndex, PathRow, Term
from tui.words import Words


def width_of(verdict: doc.Verdict | None) -> float | None:
    if verdict is None or verdict.high is None or verdict.low is None:
        return None
    return verdict.high - verdict.low


VALUES: dict[str, Callable[[PathRow], float | None]] = {
    "rtt50": lambda row: row.figures.rtt_p50_ns,
    "measured": lambda row: row.verdict.measured if row.verdict else None,
    "interval": lambda row: width_of(row.verdict),
    "loss": lambda row: row.figures.loss_ratio,
    "road": lambda row: row.path.distance.road_km if row.path.distance else None,
}


@pytest.fixture(scope="module")
def index(fleet: Fleet) -> PathIndex:
    return PathIndex(fleet)


def test_a_filter_has_fields_and_free_words_and_takes_full_width_colons() -> None:
    assert model.parse("site:suzhou Verdict：FAIL 联通") == (
        Term("site", "suzhou"),
        Term("verdict", "fail"),
        Term("", "联通"),
    )
    assert model.parse("site: http://x") == (Term("", "http://x"),)  # nothing is asked of a site


def test_all_terms_must_hold(index: PathIndex) -> None:
    rows = index.rows("from:suzhou to:xuzhou carrier:cu")
    assert {(r.path.source.site, r.path.destination.site) for r in rows} == {("suzhou", "xuzhou")}
    assert all("cu" in (r.path.source.carrier, r.path.destination.carrier) for r in rows)
    assert index.rows("from:suzhou from:xuzhou") == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [("fail", "fail"), ("不达标", "fail"), ("✗", "fail"), ("no-data", "no_data")],
)
def test_a_verdict_is_found_by_its_name_in_both_languages_and_by_its_sign(
    index: PathIndex, text: str, name: str
) -> None:
    assert {row.verdict_name for row in index.rows(f"verdict:{text}")} == {name}


def test_a_path_shows_the_worst_of_the_verdicts_that_are_asked_for(index: PathIndex) -> None:
    rows = index.rows("target:jiangsu-circle-5")
    assert {row.verdict.target for row in rows if row.verdict} == {"jiangsu-circle-5"}
    assert all(row.verdict for row in rows)


def test_a_path_that_no_target_speaks_of_is_one_without_data(fleet: Fleet) -> None:
    alone = doc.Path(id="a>b", source=doc.End(site="a"), destination=doc.End(site="b"))
    index = PathIndex(Fleet(paths=(alone,)))
    for text in ("", "verdict:no_data", "verdict:无"):
        assert [row.key for row in index.rows(text)] == ["a>b"]
    for text in ("verdict:fail", "target:x", "protocol:udp"):
        assert index.rows(text) == ()


def test_sites_are_found_by_title_in_both_languages(index: PathIndex) -> None:
    for text in ("to:盐城东台", "to:dongtai"):
        found = {row.path.destination.site for row in index.rows(text)}
        assert found == {"yancheng-dongtai"}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("column", VALUES)
def test_absent_values_are_last_in_either_order(
    index: PathIndex, column: str, *, reverse: bool
) -> None:
    rows = index.rows("", column, reverse=reverse)
    values = [VALUES[column](row) for row in rows]
    known = [each for each in values if each is not None]
    assert values == sorted(known, reverse=reverse) + [None] * (len(values) - len(known))


def test_the_worst_path_is_first_and_the_further_beyond_its_limit_the_worse(
    index: PathIndex,
) -> None:
    rows = index.rows()
    names = [row.verdict_name for row in rows if row.verdict]
    order = ["fail", "undecided", "no_data", "impossible", "pass"]
    assert names == sorted(names, key=order.index)
    failing = [r.verdict for r in rows if r.verdict and r.verdict.verdict == "fail"]
    excess = [(v.measured or 0) / (v.limit_ns or v.limit_ratio or 1) for v in failing]
    assert excess == sorted(excess, reverse=True)


def test_figures_are_those_of_the_protocol_judged_else_of_any() -> None:
    udp, icmp = doc.Figures(sent=1), doc.Figures(sent=2)
    path = doc.Path(
        id="p", source=doc.End(site="a"), destination=doc.End(site="b"),
        figures={"udp": udp, "icmp": icmp, "tcp": None},
    )  # fmt: skip
    assert model.main_figures(path, "icmp") is icmp
    assert model.main_figures(path, "tcp") is udp
    assert model.main_figures(path, None) is udp


def test_cells_say_what_is_known_and_a_dash_where_nothing_is(fleet: Fleet) -> None:
    ends = doc.End(site="suzhou", carrier="ct"), doc.End(site="x", carrier="cu")
    path = doc.Path(id="p", source=ends[0], destination=ends[1])
    row = PathRow(path, None, doc.Figures())
    words = Words("en")
    cells = {c: model.cell(row, c, fleet, words)[0][0] for c in model.SORTS}
    assert cells["verdict"] == "· no data"
    assert (cells["source"], cells["destination"]) == ("Suzhou", "x")
    assert cells["carriers"] == "ct→cu"
    rest = set(model.SORTS) - {"verdict", "source", "destination", "carriers"}
    assert {cells[column] for column in rest} == {"–"}


def test_a_limit_has_the_arrow_of_its_direction() -> None:
    loss = doc.Verdict(target="t", path="p", direction="round_trip", limit_ratio=0.0077)
    delay = doc.Verdict(target="t", path="p", direction="one_way", limit_ns=4e6)
    assert [model.limit_of(each) for each in (loss, delay)] == ["⇄0.77%", "→4.00 ms"]
