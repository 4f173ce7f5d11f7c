"""The report: both languages, every verdict, hostile names harmless, nothing from outside."""

import html.parser
import importlib.resources
import re

import msgspec
import pytest

from controller.campaigns.campaign_file import Campaign
from controller.documents.health import ControllerHealth
from controller.documents.path_schema import VerdictDocument
from controller.documents.places import SiteDocument
from controller.documents.remediation import RemediationDocument
from controller.documents.targets import GroupDocument, TargetDocument
from controller.reports.page import render_report
from controller.reports.report import Answers, assemble
from controller.reports.words import VERDICT_WORDS
from foundation.errors import ConfigError
from foundation.text import Text

HOSTILE = "<script>alert('x')</script>&\"'"
VERDICTS = ("pass", "fail", "undecided", "impossible", "no_data")


def site(name, title):
    return msgspec.convert(
        {
            "name": name,
            "title": {"en": title, "zh": title},
            "latitude_deg": 32.0,
            "longitude_deg": 118.0,
            "city": "nanjing",
            "metro": None,
            "province": None,
            "hub": None,
            "roles": [],
            "important": True,
            "external": False,
            "labels": [],
            "interfaces": [],
            "agent_state": "ok",
            "inventory": {},
        },
        SiteDocument,
    )


def verdict(kind, number, **changes):
    given = {
        "target": "circle",
        "path": f"a.x.v4>b{number}.x.v4",
        "source_site": "a",
        "destination_site": "b",
        "source_carrier": "x",
        "destination_carrier": HOSTILE,
        "ip_version": 4,
        "protocol": "udp",
        "verdict": kind,
        "statistic": "p95",
        "direction": "one_way",
        "limit_ns": 1e6,
        "limit_ratio": None,
        "measured": None if kind == "no_data" else 0.9e6 + number,
        "low": None if kind == "no_data" else 0.8e6,
        "high": None,
        "unit": "ns",
        "other_reading": {"direction": "round_trip", "measured": 1.7e6},
        "floor_ns": 1e5,
        "sent": 100,
        "lost": 1,
        "limiting_factor": "value",
        "reason": {"en": f"because {HOSTILE}", "zh": f"因为 {HOSTILE}"},
        "since_ns": 0,
        "judged_ns": 0,
    }
    return msgspec.convert(given | changes, VerdictDocument)


def target(name="circle", kind="delay", **changes):
    given = {
        "name": name,
        "title": {"en": "Circle", "zh": "时延圈"},
        "source": {
            "document": {"en": "A plan", "zh": "《规划》"},
            "clause": {"en": HOSTILE, "zh": HOSTILE},
        },
        "kind": kind,
        "statistic": "p95",
        "direction": "one_way",
        "direction_stated": False,
        "limit_ms": 1.0,
        "limit_ratio": None,
        "goals": {"2025": 0.85, "2030": 0.95},
        "counts": dict.fromkeys(VERDICTS, 1),
        "maintenance": 0,
        "paths": 5,
        "compliance": {"ratio": 1 / 3, "low": 0.2, "high": 0.6, "decided": 3, "passed": 1},
        "goal_verdict": {"2025": "fail", "2030": "fail"},
        "declared": [],
    }
    return msgspec.convert(given | changes, TargetDocument)


def answers(**changes):
    health = {
        "version": "0",
        "started_ns": 0,
        "now_ns": 10**18,
        "revision": 1,
        "judged_ns": 10**18,
        "judge_period_ms": 900_000,
    }
    given = {
        "health": _health(health),
        "sites": (site("a", HOSTILE), site("b", "B")),
        "agents": (),
        "targets": (
            target(),
            target(
                "srv6",
                "inventory",
                declared=[{"site": "a", "value": 12.5, "unit": HOSTILE}],
                compliance=None,
            ),
        ),
        "paths": (),
        "verdicts": tuple(verdict(kind, i) for i, kind in enumerate(VERDICTS)),
    }
    return Answers(**(given | changes))


class _Blank:
    """Stands for parts of the health that a report does not read."""


def _health(fields):
    return ControllerHealth(**fields, store=_Blank(), ingest=_Blank(), agents={})


def page(language="zh", **changes):
    campaign = Campaign(
        name="test", title=Text("Test report", "测试报告"), duration_s=60, language=language
    )
    return render_report(assemble(campaign, answers(**changes), 0, 60 * 10**9, "http://c"))


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br", "input", "circle", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_asks_nothing_from_outside():
    text = page()
    parser = _Parser()
    parser.feed(text)
    assert parser.open == []
    assert all(link.startswith("#") for link in parser.links)
    assert "url(" not in text
    assert "@import" not in text


def test_hostile_names_are_shown_and_never_run():
    text = page()
    parser = _Parser()
    parser.feed(text)
    assert "script" not in parser.tags
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("kind", VERDICTS)
def test_every_verdict_appears_with_its_word_in_both_languages(kind):
    text = page()
    assert f'<tr class="{kind}">' in text
    assert VERDICT_WORDS[kind].en in text
    assert VERDICT_WORDS[kind].zh in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_opens_in_the_language_of_the_campaign(language):
    text = page(language)
    assert f'<html lang="{language}">' in text
    assert re.search(rf'id="show-{language}" checked', text)
    assert "Test report" in text
    assert "测试报告" in text


def test_failing_and_undecided_paths_stand_first():
    rows = re.findall(r'<tr class="(\w+)"><td>', page())
    assert [row for row in rows if row in VERDICTS] == [
        "fail",
        "undecided",
        "no_data",
        "impossible",
        "pass",
    ]


def test_the_worst_figure_of_an_indicator_is_named():
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1)
    report = assemble(campaign, answers(), 0, 1, None)
    assert report.indicators[0].worst.verdict == "impossible"
    assert report.indicators[0].verdict == "fail"
    assert report.cells["a", "b"].verdict == "fail"


def written_in(time_zone):
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, time_zone=time_zone)
    begun_ns, ended_ns = 1_793_469_600_000_000_000, 1_793_473_200_000_000_000
    return shown(render_report(assemble(campaign, answers(), begun_ns, ended_ns, None)))


def shown(page):
    return re.sub("</?time[^>]*>", "", page)


def test_times_are_those_of_the_campaigns_zone_with_utc_beside_them():
    local = written_in("Asia/Shanghai")
    assert "2026-11-01 02:00:00 +08:00 – 2026-11-01 03:00:00 +08:00<br><small>" in local
    assert "<small>2026-10-31 18:00:00 UTC – 2026-10-31 19:00:00 UTC</small>" in local
    utc = written_in("UTC")
    assert "2026-10-31 18:00:00 UTC – 2026-10-31 19:00:00 UTC<br>" in utc
    assert "+00:00" not in utc


def test_a_stretch_over_the_end_of_summer_time_has_both_offsets():
    text = written_in("America/New_York")
    assert "2026-10-31 14:00:00 -04:00" in text
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, time_zone="Europe/Berlin")
    begun_ns = 1_792_886_400_000_000_000  # 2026-10-25 00:00 UTC: an hour before
    ended_ns = begun_ns + 7200 * 10**9
    page = shown(render_report(assemble(campaign, answers(), begun_ns, ended_ns, None)))
    assert "2026-10-25 02:00:00 +02:00 – 2026-10-25 03:00:00 +01:00" in page


def test_a_zone_that_is_no_longer_known_costs_no_report():
    assert "2026-10-31 18:00:00 UTC" in written_in("Asia/Nanjing")


def test_without_a_zone_of_its_own_a_report_is_in_that_of_who_writes_it(monkeypatch):
    monkeypatch.setenv("ISOCHRONE_TIME_ZONE", "Asia/Tokyo")
    assert "2026-11-01 03:00:00 +09:00" in written_in(None)


def test_declared_figures_are_marked_as_declared():
    text = page()
    assert "申报值" in text
    assert "12.5" in text


def test_a_network_without_any_verdict_still_gives_a_report():
    text = page(verdicts=(), targets=(), sites=())
    assert "<h1>" in text


def test_an_unknown_target_is_an_error_that_names_the_nearest():
    campaign = Campaign(name="t", title=Text("t", "t"), duration_s=1, targets=("circl",))
    with pytest.raises(ConfigError, match="did you mean `circle`"):
        assemble(campaign, answers(), 0, 1, None)


def group(**changes):
    given = {
        "name": "circles",
        "title": {"en": "Compliance rate", "zh": "低时延达标率"},
        "source": {"document": {"en": "A plan", "zh": "《规划》"}},
        "targets": ["circle"],
        "pairs": 4,
        "paths": 5,
        "counts": dict.fromkeys(VERDICTS, 1),
        "maintenance": 0,
        "compliance": {"ratio": 0.5, "low": 0.25, "high": 0.75, "decided": 2, "passed": 1},
        "paths_compliance": None,
        "goals": {"2025": 0.85},
        "goal_verdict": {"2025": "fail"},
    }
    return msgspec.convert(given | changes, GroupDocument)


REMEDIATION = {
    "name": "circles",
    "of": "pairs",
    "goal": 0.85,
    "year": "2025",
    "total": 4,
    "passed": 1,
    "needed": 3,
    "reachable": False,
    "best_ratio": 0.75,
    "paths": [
        {
            "target": "circle",
            "path": "a.x.v4>b.x.v4",
            "source_site": "a",
            "destination_site": "b",
            "source_carrier": HOSTILE,
            "destination_carrier": "x",
            "ip_version": 4,
            "verdict": "fail",
            "action": "fix",
            "measured": 1.1e6,
            "limit": 1e6,
            "unit": "ns",
            "margin_ratio": 0.1,
        }
    ],
    "by_carrier": [{"name": HOSTILE, "paths": 1}],
    "by_site": [{"name": "a", "paths": 1}],
}


def test_group_and_what_to_fix_are_shown_in_both_languages():
    remediation = msgspec.convert(REMEDIATION, RemediationDocument)
    text = page(groups=(group(),), remediations={"circles": remediation})
    for words in ("低时延达标率", "Compliance rate", "整改清单", "What to fix", "+10.0 %", "75 %"):
        assert words in text, words
    assert HOSTILE not in text


def test_group_of_targets_that_the_campaign_left_out_is_not_shown():
    remediation = msgspec.convert(REMEDIATION, RemediationDocument)
    text = page(groups=(group(targets=["circle", "gone"]),), remediations={"circles": remediation})
    assert "低时延达标率" not in text


def test_place_on_the_scale_of_loss_is_shown():
    placed = verdict("pass", 0, unit="ratio", limit_ns=None, limit_ratio=0.0077, position=0.42)
    assert "0.42" in page(verdicts=(placed,))


def test_what_to_fix_is_numbered_by_rank():
    paths = [REMEDIATION["paths"][0] | {"source_site": name} for name in ("a", "b", "a")]
    remediation = msgspec.convert(REMEDIATION | {"paths": paths}, RemediationDocument)
    text = page(groups=(group(),), remediations={"circles": remediation})
    ranks = re.findall(r'<tr class="fail"><td class="number">(\d+)</td>', text)
    assert ranks == ["1", "2", "3"]
    headings = re.findall(r"<h2><b>(\d)</b>", text)
    assert headings == [str(number) for number in range(1, len(headings) + 1)]


def test_a_path_slower_than_its_reference_is_not_cut_off_at_all_of_it():
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


def test_paths_in_maintenance_count_for_nothing():
    resting = verdict("fail", 9, maintenance=True)
    text = page(targets=(target(maintenance=1),), verdicts=(resting, verdict("pass", 0)))
    assert "b9.x.v4" not in text
    assert "1 <span" in text
    assert "维护中，不计入" in text


def test_the_style_has_no_selector_that_makes_browsers_print_for_minutes():
    """`body:has(…)` cost Chromium two minutes on a report of 870 rows; siblings cost 15 s."""
    style = (
        importlib.resources.files("controller.reports").joinpath("templates/report.css").read_text()
    )
    assert ":has(#" not in style


def test_every_cell_of_a_table_that_is_stacked_on_narrow_screens_is_named():
    tables = re.findall(r'<table class="[a-z]+ cards">.*?</table>', page(), re.DOTALL)
    assert tables
    for table in tables:
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
        assert rows
        for row in rows:
            cells = re.findall(r"<td([^>]*)>(<svg|</td>)?", row)[1:]  # or a drawing, or nothing
            assert all("data-zh" in name or drawing for name, drawing in cells), row
