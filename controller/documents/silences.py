"""Who silences a stream, as the API says it and as a person is told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.documents.path_schema import SilenceDocument
from controller.fleet.silences import UNCONFIRMED
from foundation.text import Text

if TYPE_CHECKING:
    from controller.live.snapshot import Snapshot
    from controller.store.records import SilenceRecord


_RULES = {
    UNCONFIRMED: Text("has not confirmed its plan yet", "尚未确认测量计划"),
    "reflector.not_listening": Text(
        "cannot listen there (its conditions say why)", "无法在该处监听（原因见其状况信息）"
    ),
    "reflector.key": Text("has no key for these probes", "没有对应这些探测包的密钥"),
    "agent.stopped": Text("was stopped", "已停止运行"),
    "agent.restarting": Text("was not running", "未在运行"),
}


def silence_document(now: Snapshot, row: int) -> SilenceDocument | None:
    """Return who silences the stream in this row now, None for nobody."""
    record = silence_of(now, row)
    if record is None:
        return None
    return SilenceDocument(
        stream_id=str(now.scope.streams[row].stream_id),
        agent=record.agent,
        side=record.side,
        rule=record.rule,
        since_ns=record.from_ns,
    )


def silence_of(now: Snapshot, row: int) -> SilenceRecord | None:
    """Return the silence that the stream in this row is in; one of a far end that did answer is
    none."""
    record = now.silences.of_row(row, now.at_ns)
    if record is None or record.rule != UNCONFIRMED:
        return record
    return None if now.round.evidence.counters["received"][row] else record


def told(record: SilenceRecord) -> Text:
    """Return in a sentence whose doing a silence is."""
    if not record.rule.startswith("policy."):
        why = _RULES[record.rule]
        return Text(
            f"Not answered: agent {record.agent} {why.en}. The path did not lose these probes.",
            f"无应答：探针 {record.agent} {why.zh}。这不是路径丢包。",
        )
    if record.side == "sending":
        return Text(
            f"Not measured: the owner of agent {record.agent} refuses it ({record.rule}).",
            f"未测量：探针 {record.agent} 的所有者拒绝该测量（{record.rule}）。",
        )
    return Text(
        f"Not answered: the owner of agent {record.agent} refuses it ({record.rule}). The path "
        f"did not lose these probes.",
        f"无应答：探针 {record.agent} 的所有者拒绝应答（{record.rule}）。这不是路径丢包。",
    )
