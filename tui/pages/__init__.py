"""The pages of the terminal UI: a folder each (page, model, style), registered here once.

`docs/concepts/extending.md` says how to add one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.pages.page import Page

# name -> module:class, in the order of the number keys. Imported when the UI opens, not before.
PAGES: dict[str, str] = {
    "overview": "tui.pages.overview.page:OverviewPage",
    "matrix": "tui.pages.matrix.page:MatrixPage",
    "paths": "tui.pages.paths.page:PathsPage",
    "agents": "tui.pages.agents.page:AgentsPage",
    "path": "tui.pages.path.page:PathPage",
    "target": "tui.pages.target.page:TargetPage",
}


def page_classes() -> dict[str, type[Page]]:
    """Return the registered page classes by name, in the order of the number keys."""
    classes: dict[str, type[Page]] = {}
    for name, place in PAGES.items():
        module, _, attribute = place.partition(":")
        classes[name] = getattr(importlib.import_module(module), attribute)
    return classes
