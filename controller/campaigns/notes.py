"""What a person should know of a campaign that its figures do not say."""

from __future__ import annotations

from controller.store.records import CampaignRecord
from foundation.text import Text, counted

NOT_THERE = Text(
    "The site file no longer has what it names: nothing is measured or reported for it.",
    "站点文件已不含其指定的内容：没有为其进行测量，也没有结果可报告。",
)
LATE_NS = 10_000_000_000  # a beginning or an end is punctual up to a round of judging


def missed_ns(record: CampaignRecord) -> int:
    """Return how much of the beginning was not measured, all of it where it never began."""
    if record.begun_ns is not None:
        return max(0, record.begun_ns - record.from_ns)
    return max(0, min(record.ended_ns, record.to_ns) - record.from_ns) if record.ended_ns else 0


def notes_of(record: CampaignRecord, there: int) -> tuple[Text, ...]:
    """Return sentences on what was not as asked; `there`: of how many streams the network is."""
    notes = []
    if not there:
        notes.append(NOT_THERE)
    elif there < record.streams:
        notes.append(
            Text(
                f"Of {counted(record.streams, 'stream')} that it asked for {there} are left: the "
                f"site file no longer has the others, which are not reported here.",
                f"所请求的 {record.streams} 条测量流中仅剩 {there} 条：站点文件已不含其余测量流，"
                "此处不含其任何结果。",
            )
        )
    if record.state == "ended" and record.begun_ns is None:
        notes.append(
            Text(
                "The controller was down for the whole campaign: nothing was measured.",
                "专项测量期间控制器一直未运行：没有为其进行任何测量。",
            )
        )
    elif record.begun_ns is not None and missed_ns(record) > LATE_NS:
        seconds = missed_ns(record) / 1e9
        notes.append(
            Text(
                f"The controller was down at the beginning: the first {seconds:.0f} s were not "
                "measured.",
                f"开始时控制器未运行：最初 {seconds:.0f} 秒没有测量。",
            )
        )
    if record.ended_by is not None and record.ended_ns is not None and record.begun_ns is not None:
        seconds = (record.to_ns - record.ended_ns) / 1e9
        notes.append(
            Text(
                f"It was cancelled {seconds:.0f} s before its end by {record.ended_by}.",
                f"该专项测量由 {record.ended_by} 提前 {seconds:.0f} 秒取消。",
            )
        )
    if record.refused or record.throttled:
        refused, throttled = record.refused or 0, record.throttled or 0
        notes.append(
            Text(
                f"Of {counted(record.streams, 'stream')} the owners of agents refused {refused} "
                "and slowed "
                f"{throttled}.",
                f"共 {record.streams} 条测量流，其中 {refused} 条被探针所有者拒绝，{throttled} 条"
                "被限速。",
            )
        )
    return tuple(notes)
