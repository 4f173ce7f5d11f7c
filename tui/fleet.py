"""What the terminal knows at one moment: the controller's documents, indexed. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from tui import documents as doc
from tui.errors import Language, TuiError

LinkState = Literal["loading", "live", "stale"]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """One consistent reading of the controller. `read_ns` is when, by this machine's wall clock."""

    health: doc.Health = field(default_factory=doc.Health)
    sites: tuple[doc.Site, ...] = ()
    agents: tuple[doc.Agent, ...] = ()
    targets: tuple[doc.Target, ...] = ()
    groups: tuple[doc.Group, ...] = ()
    paths: tuple[doc.Path, ...] = ()
    verdicts: tuple[doc.Verdict, ...] = ()
    read_ns: int | None = None

    @cached_property
    def site_by_name(self) -> dict[str, doc.Site]:
        """Sites by name."""
        return {site.name: site for site in self.sites}

    @cached_property
    def target_by_name(self) -> dict[str, doc.Target]:
        """Targets by name."""
        return {target.name: target for target in self.targets}

    @cached_property
    def path_by_id(self) -> dict[str, doc.Path]:
        """Paths by id."""
        return {path.id: path for path in self.paths}

    @cached_property
    def verdicts_by_path(self) -> dict[str, tuple[doc.Verdict, ...]]:
        """Verdicts of each path."""
        found: dict[str, list[doc.Verdict]] = {}
        for verdict in self.verdicts:
            found.setdefault(verdict.path, []).append(verdict)
        return {path: tuple(verdicts) for path, verdicts in found.items()}

    @cached_property
    def agents_by_state(self) -> dict[str, int]:
        """How many agents are in each state."""
        return dict(Counter(agent.state for agent in self.agents))

    @cached_property
    def newest_window_ns(self) -> int | None:
        """When the newest window anywhere ended, as the controller tells it."""
        times = [agent.last_window_ns for agent in self.agents if agent.last_window_ns is not None]
        return max(times, default=None)

    def site_title(self, name: str, language: Language) -> str:
        """Return the site's title in `language`, or its name where it has none."""
        site = self.site_by_name.get(name)
        return (site.title.pick(language) if site else "") or name

    def target_title(self, name: str, language: Language) -> str:
        """Return the target's title in `language`, or its name where it has none."""
        target = self.target_by_name.get(name)
        return (target.title.pick(language) if target else "") or name


@dataclass(frozen=True, kw_only=True)
class Link:
    """Whether the controller answers, and why not."""

    state: LinkState = "loading"
    url: str = ""
    error: TuiError | None = None
