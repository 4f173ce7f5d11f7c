"""What an agent reports about its engine stays short, and names the number of what it
leaves out.
"""

from __future__ import annotations

from agent.measuring.engine_conditions import broke, refusals, waiting_for_keys
from foundation.text import Text
from probes.stream import StreamSpec, TypeP


def test_of_many_refused_streams_some_are_told_and_the_others_counted() -> None:
    kind, why = TypeP(protocol="icmp", ip_version=4), Text("No rights.", "没有权限。")
    refused = {
        StreamSpec(stream_id=n, destination=f"192.0.2.{n}", type_p=kind): why for n in range(5)
    }
    told = refusals(refused, 5)
    assert [each.code for each in told] == ["stream_refused"] * 5
    assert [(each.stream_id, each.address) for each in told[:2]] == [
        ("0", "192.0.2.0"),
        ("1", "192.0.2.1"),
    ]
    assert told[1].text.en == "Stream to 192.0.2.1 icmp4/44B/dscp0 is not run: No rights."
    assert told[1].text.zh == "到 192.0.2.1 icmp4/44B/dscp0 的测量流未运行：没有权限。"
    *first, last = refusals(refused, 3)
    assert first == told[:3]
    assert last.code == "streams_refused"
    assert "2 more streams" in last.text.en
    assert "2 条" in last.text.zh


def test_an_engine_that_broke_is_told_with_its_cause() -> None:
    error = RuntimeError("the probe engine broke")
    error.__cause__ = ValueError("seven")
    assert "ValueError: seven" in broke(error).en
    assert "3" in waiting_for_keys(3).zh
