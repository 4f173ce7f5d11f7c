"""All items of one of the API's lists, page by page: one without an end is told, not read on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from controller.client.errors import other_answer

MOST_PAGES = 1_000  # of as many items as the controller puts on a page


class Page(Protocol):
    """One page, and the cursor of the next one (None at the end)."""

    @property
    def items(self) -> Sequence[Any]:
        """What is on it."""

    @property
    def next(self) -> str | None:
        """Where the next one begins."""


async def all_pages(url: str, page_after: Callable[[dict[str, str]], Awaitable[Page]]) -> list[Any]:
    """Return the items of every page; `page_after` reads the one that a query's cursor begins.

    Raises ResourceError where a cursor comes again or pages never end: that is no controller.
    """
    page = await page_after({})
    found, seen = list(page.items), set[str]()
    while (cursor := page.next) is not None:
        if not cursor or cursor in seen or len(seen) == MOST_PAGES:
            raise other_answer(url, "a list without an end")
        seen.add(cursor)
        page = await page_after({"after": cursor})
        found += page.items
    return found
