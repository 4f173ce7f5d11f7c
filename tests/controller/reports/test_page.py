"""The page: both languages, every verdict, hostile names harmless, nothing from outside."""

import html.parser
import importlib.resources
import re
from typing import Any

import pytest

from controller.campaigns.campaign_file import Campaign
from controller.live.account_document import AccountDocument, ExclusionsDocument
from controller.reports.page import excluded, render_report
from controller.reports.report import assemble
from controller.reports.words import LEFT_OUT_WORDS, VERDICT_WORDS
from foundation.text import Language, Text
from tests.controller.reports.report_documents import (
    HOSTILE,
    REMEDIATION,
    VERDICTS,
    answers,
    group,
    remediation,
    target,
    verdict,
)
from topology.model import VerdictName


def page(language: Language = "zh", **changes: Any) -> str:
    campaign = Campaign(
        name="test", title=Text("Test report", "测试报告"), duration_s=60, language=language
    )
    return render_report(assemble(campaign, answers(**changes), 0, 60 * 10**9, "http://c"))


class _Parser(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br", "input", "circle", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_asks_nothing_from_outside() -> None:
    text = page()
    parser = _Parser()
    parser.feed(text)
    assert parser.open == []
    assert all(link and link.startswith("#") for link in parser.links)
    assert "url(" not in text
    assert "@import" not in text


def test_hostile_names_are_shown_and_never_run() -> None:
    text = page()
    parser = _Parser()
    parser.feed(text)
    assert "script" not in parser.tags
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("kind", VERDICTS)
def test_every_verdict_appears_with_its_word_in_both_languages(kind: VerdictName) -> None:
    text = page()
    assert f'<tr class="{kind}">' in text
    assert VERDICT_WORDS[kind].en in text
    assert VERDICT_WORDS[kind].zh in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_opens_in_the_language_of_the_campaign(language: Language) -> None:
    text = page(language)
    assert f'<html lang="{language}">' in text
    assert re.search(rf'id="show-{language}" checked', text)
    assert "Test report" in text
    assert "测试报告" in text


def test_failing_and_undecided_paths_stand_first() -> None:
    rows = re.findall(r'<tr class="(\w+)"><td>', page())
    assert [row for row in rows if row in VERDICTS] == [
        "fail",
        "undecided",
        "no_data",
        "impossible",
        "pass",
    ]


def written_in(time_zone: str | None) -> str:
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, time_zone=time_zone)
    begun_ns, ended_ns = 1_793_469_600_000_000_000, 1_793_473_200_000_000_000
    return shown(render_report(assemble(campaign, answers(), begun_ns, ended_ns, None)))


def shown(page: str) -> str:
    return re.sub("</?time[^>]*>", "", page)


def test_times_are_those_of_the_campaigns_zone_with_utc_beside_them() -> None:
    local = written_in("Asia/Shanghai")
    assert "2026-11-01 02:00:00 +08:00 – 2026-11-01 03:00:00 +08:00<br><small>" in local
    assert "<small>2026-10-31 18:00:00 UTC – 2026-10-31 19:00:00 UTC</small>" in local
    utc = written_in("UTC")
    assert "2026-10-31 18:00:00 UTC – 2026-10-31 19:00:00 UTC<br>" in utc
    assert "+00:00" not in utc


def test_a_stretch_over_the_end_of_summer_time_has_both_offsets() -> None:
    text = written_in("America/New_York")
    assert "2026-10-31 14:00:00 -04:00" in text
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, time_zone="Europe/Berlin")
    begun_ns = 1_792_886_400_000_000_000  # 2026-10-25 00:00 UTC: an hour before
    ended_ns = begun_ns + 7200 * 10**9
    page = shown(render_report(assemble(campaign, answers(), begun_ns, ended_ns, None)))
    assert "2026-10-25 02:00:00 +02:00 – 2026-10-25 03:00:00 +01:00" in page


def test_a_zone_that_is_no_longer_known_costs_no_report() -> None:
    assert "2026-10-31 18:00:00 UTC" in written_in("Asia/Nanjing")


def test_without_a_zone_of_its_own_a_report_is_in_that_of_who_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ISOCHRONE_TIME_ZONE", "Asia/Tokyo")
    assert "2026-11-01 03:00:00 +09:00" in written_in(None)


def test_declared_figures_are_marked_as_declared() -> None:
    text = page()
    assert "申报值" in text
    assert "12.5" in text


def test_a_network_without_any_verdict_still_gives_a_report() -> None:
    text = page(verdicts=(), targets=(), sites=())
    assert "<h1>" in text


def test_group_and_what_to_fix_are_shown_in_both_languages() -> None:
    text = page(groups=(group(),), remediations={"circles": remediation()})
    for words in ("低时延达标率", "Compliance rate", "整改清单", "What to fix", "+10.0 %", "75 %"):
        assert words in text, words
    assert HOSTILE not in text


def test_group_of_targets_that_the_campaign_left_out_is_not_shown() -> None:
    text = page(
        groups=(group(targets=["circle", "gone"]),), remediations={"circles": remediation()}
    )
    assert "低时延达标率" not in text


def test_place_on_the_scale_of_loss_is_shown() -> None:
    placed = verdict("pass", 0, unit="ratio", limit_ns=None, limit_ratio=0.0077, position=0.42)
    assert "0.42" in page(verdicts=(placed,))


def test_why_probes_that_were_due_are_not_judged_is_said_where_there_are_any() -> None:
    none = dict.fromkeys(ExclusionsDocument.__struct_fields__, 0)
    left_out = ExclusionsDocument(**(none | {"suspect": 7, "missing": 3}))
    account = AccountDocument(from_ns=0, to_ns=1, due=110, judged=100, lost=0, excluded=left_out)
    assert [(text.en.partition(":")[0], count) for text, count in excluded(account)] == [
        ("left out", 7),
        ("missing", 3),
    ]
    text = page(account=account)
    assert LEFT_OUT_WORDS["missing"].zh in text
    assert LEFT_OUT_WORDS["curtailed"].zh not in text


def test_what_to_fix_is_numbered_by_rank() -> None:
    paths = [REMEDIATION["paths"][0] | {"source_site": name} for name in ("a", "b", "a")]
    text = page(groups=(group(),), remediations={"circles": remediation(paths=paths)})
    ranks = re.findall(r'<tr class="fail"><td class="number">(\d+)</td>', text)
    assert ranks == ["1", "2", "3"]
    headings = re.findall(r"<h2><b>(\d)</b>", text)
    assert headings == [str(number) for number in range(1, len(headings) + 1)]


def test_a_path_slower_than_its_reference_is_not_cut_off_at_all_of_it() -> None:
    beside = verdict(
        "fail",
        0,
        target="against",
        unit="ratio",
        limit_ns=None,
        limit_ratio=1.0,
        measured=1.31,
        low=1.22,
        high=1.4,
        other_reading=None,
    )
    against = target("against", "comparison", limit_ms=None, limit_ratio=1.0)
    text = page(targets=(against,), verdicts=(beside,))
    for figure in ("1.31 ×", "1.22–1.40 ×", "1.00 ×"):
        assert figure in text, figure


def test_paths_in_maintenance_count_for_nothing() -> None:
    resting = verdict("fail", 9, maintenance=True)
    text = page(targets=(target(maintenance=1),), verdicts=(resting, verdict("pass", 0)))
    assert "b9.x.v4" not in text
    assert "1 <span" in text
    assert "维护中，不计入" in text


def test_the_style_has_no_selector_that_makes_browsers_print_for_minutes() -> None:
    """`body:has(…)` cost Chromium two minutes on a report of 870 rows; siblings cost 15 s."""
    style = (
        importlib.resources.files("controller.reports").joinpath("templates/report.css").read_text()
    )
    assert ":has(#" not in style


def test_every_cell_of_a_table_that_is_stacked_on_narrow_screens_is_named() -> None:
    tables = re.findall(r'<table class="[a-z]+ cards">.*?</table>', page(), re.DOTALL)
    assert tables
    for table in tables:
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
        assert rows
        for row in rows:
            cells = re.findall(r"<td([^>]*)>(<svg|</td>)?", row)[1:]  # or a drawing, or nothing
            assert all("data-zh" in name or drawing for name, drawing in cells), row
