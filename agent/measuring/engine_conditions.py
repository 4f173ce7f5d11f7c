"""What an agent reports about its engine: streams that do not run, odd replies, an engine
that broke.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Mapping

from foundation.condition import Condition
from foundation.text import Text, counted, language_of_environment
from probes.stamp.nonconforming import COSTLY, summary
from probes.stream import StreamSpec

MOST_TOLD = 50  # streams, one by one


def refusal(spec: StreamSpec, why: Text) -> Text:
    """Return that a stream does not run, and why."""
    label = f"{spec.destination} {spec.type_p.label()}"
    return Text(f"Stream to {label} is not run: {why.en}", f"到 {label} 的测量流未运行：{why.zh}")


def refusals(refused: Mapping[StreamSpec, Text], most: int = MOST_TOLD) -> list[Condition]:
    """Return what reports the first streams that do not run, and how many others there are."""
    told = [
        Condition(
            code="stream_refused",
            severity="error",
            text=refusal(spec, why),
            stream_id=str(spec.stream_id),
            address=spec.destination,
        )
        for spec, why in itertools.islice(refused.items(), most)
    ]
    if len(refused) > most:
        more = len(refused) - most
        text = Text(
            f"Not run for such reasons: {counted(more, 'more stream')}.",
            f"另有 {more} 条测量流因类似原因未运行。",
        )
        told.append(Condition(code="streams_refused", severity="error", text=text))
    return told


class RefusalLog:
    """Logs which streams have begun to wait, and which wait no more."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: dict[tuple[StreamSpec, Text], None] = {}

    def tell(self, refused: Mapping[StreamSpec, Text]) -> None:
        """Log what has changed since the last call."""
        now, before = dict.fromkeys(refused.items()), self._told
        language = language_of_environment()
        for spec, why in [one for one in now if one not in before][:MOST_TOLD]:
            self._log.warning("%s", refusal(spec, why).pick(language))
        for spec, why in [one for one in before if one not in now][:MOST_TOLD]:
            over = Text("Over: %s", "已恢复：%s").pick(language)
            self._log.info(over, refusal(spec, why).pick(language))
        self._told = now


def nonconforming_replies(by_stream: Mapping[StreamSpec, Mapping[str, int]]) -> Condition | None:
    """Return what reports reflectors whose replies are not as they should be."""
    by_destination: dict[str, Counter[str]] = {}
    for spec, odd in by_stream.items():
        by_destination.setdefault(spec.destination, Counter()).update(odd)
    text = summary(by_destination)
    if text is None:
        return None
    costly = any(COSTLY & odd.keys() for odd in by_destination.values())
    return Condition(
        code="nonconforming_replies", severity="warning" if costly else "info", text=text
    )


def waiting_for_keys(streams: int) -> Text:
    """Return that so many streams have no key yet."""
    return Text(
        f"{streams} authenticated streams wait for their keys: the agents at the far end have not "
        f"confirmed to the controller yet that they hold theirs, or are not enrolled.",
        f"{streams} 条认证测量流正在等待密钥：对端探针尚未向控制器确认已持有密钥，或尚未注册。",
    )


def broke(error: BaseException) -> Text:
    """Return that an engine broke, and of what."""
    cause = error.__cause__ or error
    return Text(
        f"The probe engine failed ({type(cause).__name__}: {cause}) and was restarted; please "
        f"report it.",
        f"探测引擎发生故障（{type(cause).__name__}: {cause}），已重新启动；请报告该问题。",
    )
