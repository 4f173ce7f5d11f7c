"""What an agent tells of its engine stays short, and names the number of what it leaves out."""

from __future__ import annotations

from agent.engine_conditions import broke, streams_not_run, waiting_for_keys
from foundation.text import Text
from probes.engine.destinations import NotRun
from probes.stream import StreamSpec, TypeP


def test_of_many_refused_streams_some_are_told_and_the_others_counted() -> None:
    icmp = TypeP(protocol="icmp", ip_version=4, payload_bytes=44)
    refused = [
        NotRun(
            StreamSpec(stream_id=n, destination=f"192.0.2.{n}", type_p=icmp, interval_ms=100.0),
            Text("No rights.", "没有权限。"),
        )
        for n in range(5)
    ]
    assert len(streams_not_run(refused, 5)) == 5
    *told, last = streams_not_run(refused, 3)
    assert [(one.stream_id, one.address) for one in told] == [
        ("0", "192.0.2.0"),
        ("1", "192.0.2.1"),
        ("2", "192.0.2.2"),
    ]
    assert told[0].text.en == f"Stream to 192.0.2.0 {icmp.label()} is not run: No rights."
    assert last.code == "streams_refused"
    assert "2 more streams" in last.text.en
    assert "2 条" in last.text.zh


def test_an_engine_that_broke_is_told_with_its_cause() -> None:
    error = RuntimeError("the probe engine broke")
    error.__cause__ = ValueError("seven")
    assert "ValueError: seven" in broke(error).en
    assert "3" in waiting_for_keys(3).zh
