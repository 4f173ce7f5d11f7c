"""Groups: targets that share one compliance rate, as Jiangsu's three circles do.

The plans speak of pairs ("share of data-centre pairs", "hub-cluster pairs"), so a group's rate is
over unordered pairs of sites, and a pair complies only if all of its paths do
(docs/decisions/targets.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.judge.compliance import Compliance, compliance, verdict_of_units
from controller.live.catalogue import Catalogue
from foundation.text import Text
from topology.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """m judged demands of the targets of one group.

    demand int64[m]: their rows; pair int64[m]: the number of each one's pair of sites, 0 to pairs.
    """

    name: str
    title: Text
    targets: tuple[Target, ...]
    goals: dict[str, float]
    demand: NDArray[np.int64]
    pair: NDArray[np.int64]
    pairs: int

    def verdicts(self, verdict: NDArray[np.int8], excluded: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Return the verdict of each pair, given those of all demands.

        Demands `excluded` (bool, of all) do not count, nor pairs that have no other.
        """
        counts = ~excluded[self.demand]
        pair = self.pair[counts]
        found = verdict_of_units(verdict[self.demand[counts]], pair, self.pairs)
        return found[np.bincount(pair, minlength=self.pairs) > 0]

    def compliance(self, verdict: NDArray[np.int8], excluded: NDArray[np.bool_]) -> Compliance:
        """Return the share of pairs that comply."""
        return compliance(self.verdicts(verdict, excluded))


def groups_of(targets: Sequence[Target], catalogue: Catalogue) -> tuple[Group, ...]:
    """Return the groups in the order in which the targets first name them."""
    members: dict[str, list[Target]] = {}
    for target in targets:
        if target.group is not None:
            members.setdefault(target.group, []).append(target)
    return tuple(_group(name, found, catalogue) for name, found in members.items())


def _group(name: str, targets: list[Target], catalogue: Catalogue) -> Group:
    numbers = [catalogue.target_number[target.name] for target in targets]
    demand = np.flatnonzero(np.isin(catalogue.demand_target, numbers))
    a, b = catalogue.demand_source[demand], catalogue.demand_destination[demand]
    key = np.minimum(a, b) * len(catalogue.site_number) + np.maximum(a, b)
    unique, pair = np.unique(key, return_inverse=True)
    titles = [target.group_title for target in targets if target.group_title is not None]
    goals: dict[str, float] = {}
    for target in targets:
        for year, share in target.goals.items():
            goals[year] = max(share, goals.get(year, 0.0))
    return Group(
        name=name,
        title=titles[0] if titles else Text(name, name),
        targets=tuple(targets),
        goals=goals,
        demand=demand,
        pair=pair.astype(np.int64),
        pairs=len(unique),
    )
