"""Who may be answered, and how often: source prefixes, a token bucket, one for each source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foundation.errors import ConfigError
from foundation.literals import AddressError, Network, read_prefix
from probes.reflector.sessions import SecretHash, Sources, turns

_MAPPED = 0xFFFF_0000_0000
_LOW_64 = (1 << 64) - 1
_BUCKETS = 1 << 17  # of single sources; two of a thousand share one with a chance of 1 in 130
_BURST_S = 0.1
_KEPT_RATIO = 0.5  # of a burst
KEPT_FROM = (1.0, 0.5, 0.0)  # how much of that from whom: by seniority
_FIRST_HOST, _FIRST_MULTICAST = np.uint64(1 << 24), np.uint64(224 << 24)  # IPv4


@dataclass(frozen=True, slots=True)
class _Table:
    """The prefixes of one family and length: hashes ascending, with the networks they stand for."""

    is_v4: bool
    mask_high: np.uint64
    mask_low: np.uint64
    mixed: NDArray[np.uint64]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]


class PeerFilter:
    """A set of source prefixes, asked about whole batches: one search per prefix length used."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._mixer = SecretHash()
        groups: dict[tuple[bool, int], set[int]] = {}
        for prefix in prefixes:
            network = parse_prefix(prefix)
            is_v4 = network.version == 4
            value = int(network.network_address) | (_MAPPED if is_v4 else 0)
            length = network.prefixlen + (96 if is_v4 else 0)
            groups.setdefault((is_v4, length), set()).add(value)
        self._tables = [
            self._table(is_v4, length, values) for (is_v4, length), values in groups.items()
        ]

    def _table(self, is_v4: bool, length: int, values: set[int]) -> _Table:
        mask = ((1 << length) - 1) << (128 - length)
        high = np.array([value >> 64 for value in values], np.uint64)
        low = np.array([value & _LOW_64 for value in values], np.uint64)
        mixed = self._mixer.mix(high, low)
        order = np.argsort(mixed)
        masks = np.uint64(mask >> 64), np.uint64(mask & _LOW_64)
        return _Table(is_v4, *masks, mixed[order], high[order], low[order])

    def allows(self, sources: Sources) -> NDArray[np.bool_]:
        """Return which sources may be answered, bool[n]. No prefix lets nobody in.

        Unspecified, multicast and broadcast sources are never let in: nothing sent from there is
        a request.
        """
        mapped = _is_mapped(sources)
        return self._holds(sources, mapped) & ~_unanswerable(sources, mapped)

    def holds(self, sources: Sources) -> NDArray[np.bool_]:
        """Return which addresses lie within a prefix, bool[n].

        An IPv6 prefix, even ::/0, says nothing of IPv4 addresses.
        """
        return self._holds(sources, _is_mapped(sources))

    def _holds(self, sources: Sources, mapped: NDArray[np.bool_]) -> NDArray[np.bool_]:
        allowed = np.zeros(len(sources.port), np.bool_)
        for table in self._tables:
            high, low = sources.high & table.mask_high, sources.low & table.mask_low
            if len(table.mixed) == 1:
                found = (table.high[0] == high) & (table.low[0] == low)
            else:
                at = np.searchsorted(table.mixed, self._mixer.mix(high, low))
                at = np.minimum(at, len(table.mixed) - 1)
                found = (table.high[at] == high) & (table.low[at] == low)
            allowed |= found & (mapped == table.is_v4)
        return allowed


def _is_mapped(sources: Sources) -> NDArray[np.bool_]:
    """Return which sources are IPv4 (as ::ffff:a.b.c.d, on either kind of socket)."""
    mapped: NDArray[np.bool_] = (sources.high == 0) & ((sources.low >> np.uint64(32)) == 0xFFFF)
    return mapped


def _unanswerable(sources: Sources, mapped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which sources are unspecified, multicast or broadcast addresses, or port 0."""
    host = sources.low & np.uint64(0xFFFF_FFFF)
    bad: NDArray[np.bool_] = (host < _FIRST_HOST) | (host >= _FIRST_MULTICAST)
    bad &= mapped
    bad |= sources.port == 0
    if not mapped.all():
        bad |= (sources.high >> np.uint64(56)) == 0xFF
        bad |= (sources.high == 0) & (sources.low == 0)
    return bad


def parse_prefix(prefix: str) -> Network:
    """Return the network of a prefix or single address. Raises ConfigError for anything else."""
    try:
        return read_prefix(prefix, host_bits=True)
    except AddressError as error:
        raise ConfigError(
            f"reflector peer {prefix!r}: {error.text.en}",
            f"反射端允许的发送方 {prefix!r}：{error.text.zh}",
            key="peers",
            value=prefix,
        ) from error


class TokenBucket:
    """At most `rate_per_s` packets per second over time, and `burst` at once.

    Half as many again are kept for senior sessions (`probes.reflector.seniority`), the last
    quarter for seniors.
    """

    def __init__(self, rate_per_s: float, burst: float | None = None) -> None:
        self._rate_per_s = rate_per_s
        burst = max(1.0, rate_per_s * _BURST_S) if burst is None else burst
        self._kept = burst * _KEPT_RATIO
        self._most = self._tokens = burst + self._kept
        self._last_ns: int | None = None

    def take(self, wanted: int, now_ns: int, *, seniority: int = 0) -> int:
        """Return how many of `wanted` packets may pass at `now_ns` (monotonic)."""
        if self._last_ns is not None:
            earned = (now_ns - self._last_ns) * 1e-9 * self._rate_per_s
            self._tokens = min(self._most, self._tokens + earned)
        self._last_ns = now_ns
        free = self._tokens - self._kept * KEPT_FROM[seniority]
        granted = max(0, min(wanted, int(free)))
        self._tokens -= granted
        return granted


class SourceLimit:
    """At most `rate_per_s` packets per second of each source, and `burst` at once.

    A source is an IPv4 address or an IPv6 /64 (whoever has one has all of it). Half a burst more is
    kept for senior sessions (`probes.reflector.seniority`). Memory is bounded: a source is
    known by a hash under a secret, so nobody can aim at another's bucket. Limits with one
    `mixer` number their buckets alike.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: float | None = None,
        *,
        mixer: SecretHash | None = None,
    ) -> None:
        self._gap_ns = 1e9 / rate_per_s
        burst = max(1.0, rate_per_s * _BURST_S) if burst is None else burst
        self._kept = burst * _KEPT_RATIO
        self._most = burst + self._kept
        self._empty_ns = np.full(_BUCKETS, -np.inf)  # when each bucket would have been empty
        self._mixer = mixer or SecretHash()

    def grants(self, sources: Sources, now_ns: int, *, seniority: int = 0) -> NDArray[np.bool_]:
        """Return which packets, in order of arrival, may pass at `now_ns` (monotonic), bool[n]."""
        bucket = self.buckets(sources)
        turn, each, size = turns(bucket)
        kept = self._kept * KEPT_FROM[seniority]
        granted: NDArray[np.bool_] = turn < self._tokens(bucket, now_ns, kept)
        tokens = self._tokens(each, now_ns, kept)
        empty_ns = np.maximum(self._empty_ns[each], now_ns - self._most * self._gap_ns)
        self._empty_ns[each] = empty_ns + np.minimum(size, tokens) * self._gap_ns
        return granted

    def buckets(self, sources: Sources) -> NDArray[np.int64]:
        """Return the number of each source's bucket, int64[n]."""
        own = np.where(_is_mapped(sources), sources.low, np.uint64(0))
        return (self._mixer.mix(sources.high, own) % np.uint64(_BUCKETS)).astype(np.int64)

    def grants_one(self, bucket: int, now_ns: int, *, seniority: int = 0) -> bool:
        """Tell whether one packet of the source with this bucket may pass, as `grants`."""
        empty_ns = max(float(self._empty_ns[bucket]), now_ns - self._most * self._gap_ns)
        least = 1.0 + self._kept * KEPT_FROM[seniority]
        if now_ns - empty_ns < self._gap_ns * (least - 1e-9):
            return False
        self._empty_ns[bucket] = empty_ns + self._gap_ns
        return True

    def _tokens(self, bucket: NDArray[np.int64], now_ns: int, kept: float) -> NDArray[np.float64]:
        saved: NDArray[np.float64] = (now_ns - self._empty_ns[bucket]) / self._gap_ns
        free = np.minimum(saved, self._most) - kept
        return np.maximum(np.floor(free + 1e-9), 0.0)  # a whole one is not 0.999…
