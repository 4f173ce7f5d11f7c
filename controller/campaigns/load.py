"""What a campaign would send, and whether that stays within the network's budget. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.campaigns.request import CampaignLoad, LoadAt
from controller.judge.evidence import QUANTILE_OF_STATISTIC, STATISTICS
from controller.judge.quantile import least_samples
from foundation.text import Text, counted
from probes.packet_size import packet_bytes
from topology.model import PlannedStream, Target
from topology.network import Budget
from topology.strict import Problems

MAX_JUDGED_WINDOWS = 5_000_000  # by a report at once: some 300 MB
LEAST_WINDOWS = 3  # of which two may be cut by the beginning and the end
_ROUNDING = 1e-9
_OF_QUANTILES = ("delay", "delay_ratio", "variation")

Place = Callable[[PlannedStream], str]
_PLACES: dict[str, tuple[Place, Text]] = {
    "agent": (
        lambda stream: stream.path.source.site,
        Text("agent {} would send", "探针 {} 将发送"),
    ),
    "pair": (
        lambda stream: f"{stream.path.source.site} > {stream.path.destination.address}",
        Text("{} would carry", "{} 将承载"),
    ),
    "destination": (
        lambda stream: stream.path.destination.address,
        Text("{} would be sent", "{} 将收到"),
    ),
}


@dataclass(frozen=True, slots=True)
class _Rates:
    """Probes and bits per second at each of n places."""

    names: tuple[str, ...]
    packets_per_s: NDArray[np.float64]
    bits_per_s: NDArray[np.float64]

    def busiest(self) -> LoadAt | None:
        """Return the place with the most bits."""
        if not self.names:
            return None
        at = int(np.argmax(self.bits_per_s))
        return LoadAt(
            name=self.names[at],
            packets_per_s=float(self.packets_per_s[at]),
            bits_per_s=float(self.bits_per_s[at]),
        )


def load_of(
    asked: Sequence[PlannedStream],
    before: Sequence[PlannedStream],
    after: Sequence[PlannedStream],
) -> CampaignLoad:
    """Return what `asked` brings where the plan grows from `before` to `after`."""
    known = {stream.stream_id: stream for stream in before}
    changed = [stream for stream in after if known.get(stream.stream_id) != stream]
    was, now = _totals(before), _totals(after)
    return CampaignLoad(
        streams=len(asked),
        streams_added=sum(stream.stream_id not in known for stream in changed),
        streams_faster=sum(
            stream.stream_id in known and stream.interval_ms < known[stream.stream_id].interval_ms
            for stream in changed
        ),
        packets_per_s=now[0] - was[0],
        bits_per_s=now[1] - was[1],
        busiest_agent=_rates(after, _PLACES["agent"][0]).busiest(),
        busiest_destination=_rates(after, _PLACES["destination"][0]).busiest(),
    )


def note_beyond_budget(
    budget: Budget,
    before: Sequence[PlannedStream],
    after: Sequence[PlannedStream],
    problems: Problems,
) -> None:
    """Note every place that the growth from `before` to `after` brings beyond its budget."""
    for kind, (place, words) in _PLACES.items():
        was, now = _rates(before, place), _rates(after, place)
        known = {name: i for i, name in enumerate(was.names)}
        for unit, unit_words in _UNITS.items():
            most = float(getattr(budget, f"{kind}_{unit}"))
            earlier, rates = getattr(was, unit), getattr(now, unit)
            for at in np.flatnonzero(rates > most).tolist():
                name = now.names[at]
                if name in known and rates[at] <= earlier[known[name]] * (1 + _ROUNDING):
                    continue  # nothing is added there
                _note(problems, f"{kind}_{unit}", words, unit_words, name, rates[at], most)


_UNITS = {
    "packets_per_s": Text("probes/s", "个探测包/秒"),
    "bits_per_s": Text("bit/s", "比特/秒"),
}


def _note(
    problems: Problems, key: str, words: Text, unit: Text, name: str, rate: float, most: float
) -> None:
    problems.add(
        ("mesh", 0),
        f"{words.en.format(name)} {rate:,.0f} {unit.en}, and the budget is {most:,.0f}: take a "
        f"longer interval_ms, fewer pairs or smaller packets, or raise {key} under [budget] in "
        "the site file",
        f"{words.zh.format(name)} {rate:,.0f} {unit.zh}，而预算为 {most:,.0f}：请加大 interval_ms、"
        f"减少站点对或报文长度，或在站点文件的 [budget] 中提高 {key}",
    )


def note_unjudgeable(
    streams: Sequence[PlannedStream], duration_s: float, window_ms: int, problems: Problems
) -> None:
    """Note a campaign of fewer windows than a report needs, or of more than it can judge."""
    window_s = window_ms / 1000
    if duration_s < LEAST_WINDOWS * window_s:
        problems.add(
            ("duration_s",),
            f"{duration_s:g} s are less than {LEAST_WINDOWS} windows of {window_s:g} s, and a "
            f"report judges whole windows: measure at least {LEAST_WINDOWS * window_s:g} s",
            f"{duration_s:g} 秒不足 {LEAST_WINDOWS} 个 {window_s:g} 秒的窗口，而报告只评判完整的"
            f"窗口：请至少测量 {LEAST_WINDOWS * window_s:g} 秒",
        )
    windows = len(streams) * math.ceil(duration_s * 1000 / window_ms)
    if windows > MAX_JUDGED_WINDOWS:
        longest_s = MAX_JUDGED_WINDOWS // len(streams) * window_ms / 1000
        problems.add(
            ("duration_s",),
            f"{counted(len(streams), 'stream')} over {duration_s:g} s: {windows:,} windows, and "
            "one "
            f"report judges {MAX_JUDGED_WINDOWS:,}: measure at most {longest_s:g} s, or fewer "
            "paths",
            f"{len(streams):,} 条测量流持续 {duration_s:g} 秒共 {windows:,} 个窗口，而一份报告最多"
            f"判定 {MAX_JUDGED_WINDOWS:,} 个：请将时长缩短到 {longest_s:g} 秒以内，或减少路径",
        )


def too_few(
    targets: Sequence[Target], streams: Sequence[PlannedStream], duration_s: float
) -> tuple[Text, ...]:
    """Return which quantiles so many probes per path can never show to be kept.

    However quick they all are: the upper end of a quantile's interval needs a rank among them.
    """
    probes = max((duration_s * 1000 / stream.interval_ms for stream in streams), default=0.0)
    said = []
    for statistic in dict.fromkeys(t.statistic for t in targets if t.kind in _OF_QUANTILES):
        level = float(QUANTILE_OF_STATISTIC[STATISTICS.index(statistic)])
        needed = 0 if math.isnan(level) else least_samples(level)
        if streams and probes < needed:
            word = statistic.upper()
            said.append(
                Text(
                    f"No path can be shown to meet a {word}: that needs at least {needed:,} "
                    f"probes, and {math.floor(probes):,} would be sent on each. Measure longer, or "
                    "with a shorter interval_ms.",
                    f"任何路径都无法判定 {word} 达标：至少需要 {needed:,} 个探测包，而每条路径只会"
                    f"发送 {math.floor(probes):,} 个。请延长时长或缩短 interval_ms。",
                )
            )
    return tuple(said)


def _rates(streams: Sequence[PlannedStream], place: Place) -> _Rates:
    number: dict[Hashable, int] = {}
    at = [number.setdefault(place(stream), len(number)) for stream in streams]
    packets, bits = _columns(streams)
    return _Rates(
        names=tuple(str(name) for name in number),
        packets_per_s=_sums(at, packets, len(number)),
        bits_per_s=_sums(at, bits, len(number)),
    )


def _sums(at: Sequence[int], value: NDArray[np.float64], places: int) -> NDArray[np.float64]:
    sums = np.zeros(places)
    np.add.at(sums, np.array(at, np.int64), value)
    return sums


def _columns(
    streams: Sequence[PlannedStream],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    packets = np.array([1000.0 / stream.interval_ms for stream in streams], np.float64)
    sizes = np.array([packet_bytes(stream.type_p) for stream in streams], np.float64)
    return packets, packets * sizes * 8


def _totals(streams: Sequence[PlannedStream]) -> tuple[float, float]:
    packets, bits = _columns(streams)
    return float(packets.sum()), float(bits.sum())
