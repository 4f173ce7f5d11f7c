"""Who silences a stream: whose doing it is, in words; what answered is not silent."""

from dataclasses import replace

import numpy as np
import pytest

from controller.documents.silences import silence_document, silence_of, told
from controller.fleet.silences import UNCONFIRMED, Silences
from controller.live.snapshot import Snapshot
from controller.store.records import Side, SilenceRecord

UDP, ICMP = 0, 1  # rows of the streams of the first path


def silenced(
    now: Snapshot, row: int, rule: str, side: Side = "answering"
) -> tuple[Snapshot, SilenceRecord]:
    record = SilenceRecord(
        mark="m",
        agent="suzhou",
        side=side,
        rule=rule,
        from_ns=now.at_ns - 5,
        stream_ids=np.array([now.scope.streams[row].stream_id], np.uint64),
    )
    return replace(now, silences=Silences({"m": record}, now.scope.stream_index)), record


async def test_a_stream_that_nobody_silences_has_no_silence(now: Snapshot) -> None:
    then, _ = silenced(now, UDP, "policy.peers")
    assert silence_document(then, ICMP) is None
    found = silence_document(then, UDP)
    assert found is not None
    assert (found.agent, found.side, found.rule) == ("suzhou", "answering", "policy.peers")
    assert (found.stream_id, found.since_ns) == (
        str(now.scope.streams[UDP].stream_id),
        now.at_ns - 5,
    )


async def test_a_far_end_that_has_not_confirmed_but_did_answer_is_not_silent(now: Snapshot) -> None:
    answered, _ = silenced(now, UDP, UNCONFIRMED)
    assert silence_of(answered, UDP) is None
    unanswered, record = silenced(now, ICMP, UNCONFIRMED)
    assert silence_of(unanswered, ICMP) == record


@pytest.mark.parametrize(
    ("rule", "side", "said", "is_no_loss"),
    [
        ("policy.peers", "sending", "Not measured: the owner of agent suzhou refuses it", False),
        ("policy.peers", "answering", "Not answered: the owner of agent suzhou refuses it", True),
        (UNCONFIRMED, "answering", "agent suzhou has not confirmed its plan yet", True),
        ("reflector.not_listening", "answering", "cannot listen there", True),
        ("reflector.key", "answering", "has no key", True),
        ("agent.stopped", "answering", "was stopped", True),
        ("agent.restarting", "answering", "was not running", True),
    ],
)
async def test_a_silence_is_told_with_whose_doing_it_is(
    now: Snapshot, rule: str, side: Side, said: str, is_no_loss: bool
) -> None:
    _, record = silenced(now, UDP, rule, side)
    text = told(record)
    assert said in text.en
    assert ("这不是路径丢包" in text.zh) == is_no_loss
    assert "suzhou" in text.zh
