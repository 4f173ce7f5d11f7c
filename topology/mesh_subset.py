"""A stable part of a mesh that is too large: each site's nearest peers by rendezvous hashing.

Every pair of sites has a weight, the hash of its two names. A site chooses the `peers` pairs of
the greatest weight that it is an end of; a pair is measured if either end chooses it. So each site
is measured against at least `peers` others, a mesh of n sites has at most n × peers pairs, and a
site that comes or goes changes no choice but those it is or was part of.

Source: Thaler & Ravishankar, "Using name-based mappings to increase hit rates" (1998).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from heapq import nlargest

Pair = frozenset[str]


def chosen_pairs(pairs: Iterable[tuple[str, str]], peers: int) -> set[Pair]:
    """Return the pairs that are measured, without direction, of those that could be."""
    of_site: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    for a, b in {(min(pair), max(pair)) for pair in pairs}:
        weight = _weight(a, b)
        of_site[a].append((weight, b))
        of_site[b].append((weight, a))
    return {
        frozenset((site, other))
        for site, candidates in of_site.items()
        for _, other in nlargest(peers, candidates)
    }


def _weight(a: str, b: str) -> bytes:
    """Names hold no NUL, so no two pairs are hashed alike."""
    return hashlib.blake2b(f"{a}\0{b}".encode(), digest_size=8).digest()
