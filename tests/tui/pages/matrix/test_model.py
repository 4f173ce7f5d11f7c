"""The matrix: the worst verdict of each pair of sites, and how it fits a cell."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from tui import documents as doc
from tui.fleet import Fleet
from tui.pages.matrix import model
from tui.words import Words


def said(spans: tuple[tuple[str, str], ...]) -> str:
    return "".join(text for text, _ in spans)


def verdict(source: str, destination: str, name: str, **more: Any) -> doc.Verdict:
    return doc.Verdict(
        target="t",
        path=f"{source}>{destination}",
        source_site=source,
        destination_site=destination,
        verdict=name,
        **more,
    )


def test_the_worst_verdict_stands_for_a_pair_and_order_matters() -> None:
    there = [verdict("a", "b", name) for name in ("pass", "fail", "undecided")]
    view = model.build(Fleet(verdicts=(*there, verdict("b", "a", "pass"))), None)
    assert view.sites == ("a", "b")
    found = [view.worst(row, column) for row, column in ((0, 1), (1, 0), (0, 0))]
    assert [each and each.verdict for each in found] == ["fail", "pass", None]
    assert model.counts(view) == {"fail": 1, "pass": 1}


def test_a_matrix_of_one_target_has_the_sites_its_paths_touch_in_the_order_of_all(
    fleet: Fleet,
) -> None:
    view = model.build(fleet, "jiangsu-circle-1")
    assert view.sites == tuple(
        site
        for site in (each.name for each in fleet.sites)
        if site.partition("-")[0] in ("nanjing", "yancheng") or site in ("suzhou", "wujiang")
    )
    assert {each.target for pair in view.pairs.values() for each in pair} == {"jiangsu-circle-1"}


def test_what_is_declared_and_not_measured_has_no_matrix(fleet: Fleet) -> None:
    assert model.targets(fleet)[0] is None
    assert not {"jiangsu-otn", "yancheng-one-hop"} & set(model.targets(fleet))


@pytest.mark.parametrize(
    ("sites", "width", "cells"), [(10, 106, 9), (10, 105, 7), (10, 85, 3), (10, 20, 3), (0, 80, 9)]
)
def test_a_cell_is_as_wide_as_fits(sites: int, width: int, cells: int) -> None:
    assert model.cell_width(sites, width) == cells


@pytest.mark.parametrize("width", [3, 7, 9])
def test_a_cell_is_exactly_as_wide_as_it_is_told(width: int) -> None:
    loss = verdict("a", "b", "fail", measured=0.0213, unit="ratio")
    late = verdict("a", "b", "pass", measured=3e9)
    for each in (None, loss, late, verdict("a", "b", "no_data")):
        assert cell_len(model.cell_text(each, width)[0]) == width


def test_a_wide_cell_has_the_figure_beside_the_sign() -> None:
    loss = verdict("a", "b", "fail", measured=0.0213, unit="ratio")
    assert [model.cell_text(loss, width)[0].split() for width in (3, 9)] == [["✗"], ["✗", "2.13%"]]


def test_heads_go_downwards_where_cells_are_narrow() -> None:
    assert model.head_lines(["Wuxi", "Xi"], 9, 4) == [[" Wuxi    ", " Xi      "]]
    lines = model.head_lines(["Wuxi", "Xi"], 3, 3)
    assert ["".join(line) for line in lines] == [" W  X ", " u  i ", " x    "]


def test_the_pair_under_the_cursor_is_told_or_why_there_is_nothing(fleet: Fleet) -> None:
    words = Words("en")
    view = model.build(fleet, "yancheng-shanghai")
    city, shanghai = view.sites.index("yancheng"), view.sites.index("shanghai")
    head, reason = model.detail(fleet, view, city, shanghai, words)
    assert "Yancheng Big-Data Park → Shanghai core" in said(head)
    assert "limit →4.00 ms" in said(head)
    assert said(reason)
    assert "one site" in said(model.detail(fleet, view, city, city, words)[0])
    other = view.sites.index("yancheng-dongtai")
    assert "no target for this pair" in said(model.detail(fleet, view, city, other, words)[0])
    assert model.detail(fleet, model.MatrixView(target=None), 0, 0, words) == []


def test_the_legend_counts_every_pair_once(fleet: Fleet) -> None:
    view = model.build(fleet, None)
    legend = said(model.share_line(view, Words("en")))
    assert f"of {len(view.pairs)} pairs" in legend
    assert sum(model.counts(view).values()) == len(view.pairs)
