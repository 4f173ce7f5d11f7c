"""What a page about one target has in common: its paths and its matrix are a key away."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.pages.page import Page
from tui.pages.target.model import common_stem, members_of


class TargetLinks(Page):
    """A page with a target (or group) under the cursor or on show."""

    help_keys = (("m", "Matrix of the target"), ("p", "Paths of the target"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "target_paths", "Paths of target", show=False),
        Binding("m", "target_matrix", "Matrix of target", show=False),
    ]

    @property
    def target(self) -> str | None:
        """Name of the target that the keys are about."""
        raise NotImplementedError

    def action_target_paths(self) -> None:
        """Show the paths of the target."""
        if self.target is not None and self.fleet is not None:
            stem = common_stem(members_of(self.fleet, self.target))
            self.host.open_page("paths", f"target:{stem}")

    def action_target_matrix(self) -> None:
        """Show the matrix of the target."""
        if self.target is not None and self.fleet is not None:
            members = members_of(self.fleet, self.target)
            self.host.open_page("matrix", next(iter(members), None))
