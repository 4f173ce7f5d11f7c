"""What every page is: it takes readings, and says why it has no rows."""

from __future__ import annotations

import pytest

from tui.errors import UnreachableError
from tui.fleet import Fleet, Link
from tui.look import Look
from tui.pages.page import Page
from tui.words import Words


class Host:
    """An application as pages see it."""

    def __init__(self) -> None:
        self.left = 0

    def open_page(self, name: str, subject: str | None = None) -> None:
        raise AssertionError("nobody asked")

    def leave_page(self) -> None:
        self.left += 1

    def read_page(self, page: Page) -> None:
        raise AssertionError("nobody asked")


class Sentence(Page):
    """A page of one sentence."""

    title = "Sentence"
    said = ""

    def draw(self) -> None:
        self.said = self.nothing_yet("No rows.")


@pytest.fixture
def page() -> Sentence:
    return Sentence(Host(), id="sentence")


REFUSED = Link(state="stale", error=UnreachableError("It is away.", "无法连接。"))


@pytest.mark.parametrize(
    ("fleet", "link", "language", "said"),
    [
        (None, Link(), "en", "Reading from the controller …"),
        (None, REFUSED, "en", "It is away."),
        (None, REFUSED, "zh", "无法连接。"),
        (Fleet(), Link(state="live"), "en", "No rows."),
        (Fleet(), REFUSED, "en", "No rows."),  # what was read before stays
    ],
)
def test_a_page_without_rows_says_whether_it_is_early_cut_off_or_truly_empty(
    page: Sentence, fleet: Fleet | None, link: Link, language: str, said: str
) -> None:
    page.show(fleet, link, Look(words=Words("zh" if language == "zh" else "en")))
    assert page.said == said


def test_a_page_that_fetches_nothing_is_read(page: Sentence) -> None:
    assert page.wanted() is None
    assert page.is_read


def test_back_leads_where_the_host_says(page: Sentence) -> None:
    page.action_back()
    assert isinstance(page.host, Host)
    assert page.host.left == 1
