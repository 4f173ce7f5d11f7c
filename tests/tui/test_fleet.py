"""One reading of the controller, indexed."""

from tui import documents as doc
from tui.fleet import Fleet


def test_every_verdict_stands_with_its_path(fleet: Fleet) -> None:
    assert sum(map(len, fleet.verdicts_by_path.values())) == len(fleet.verdicts)
    assert all(v.path == path for path, found in fleet.verdicts_by_path.items() for v in found)
    assert {path.id for path in fleet.paths} == set(fleet.path_by_id)


def test_a_title_is_in_the_readers_language_or_any_or_the_name() -> None:
    both = doc.Site(name="a", title=doc.Title(en="A", zh="甲"))
    fleet = Fleet(sites=(both, doc.Site(name="b", title=doc.Title(en="B")), doc.Site(name="c")))
    assert [fleet.site_title(name, "zh") for name in "abcd"] == ["甲", "B", "c", "d"]
    assert fleet.target_title("gone", "en") == "gone"


def test_the_newest_window_is_absent_where_none_was_ever_seen() -> None:
    agents = (doc.Agent(name="a"), doc.Agent(name="b", last_window_ns=5))
    assert Fleet(agents=agents).newest_window_ns == 5
    assert Fleet(agents=agents[:1]).newest_window_ns is None
    assert Fleet().newest_window_ns is None


def test_agents_are_counted_by_state(fleet: Fleet) -> None:
    assert fleet.agents_by_state == {"ok": 15, "late": 1, "agent_down": 1, "never_seen": 1}
