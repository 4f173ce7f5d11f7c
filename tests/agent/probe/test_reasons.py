"""Why targets of a probe run did not answer."""

import errno

from agent.probe.host_tables import HostTables
from agent.probe.reasons import not_sent, sentences


def test_a_flood_of_targets_without_a_route_is_told_in_one_sentence() -> None:
    told = sentences(
        (not_sent(errno.ENETUNREACH, HostTables()), f"192.0.2.{number}", None)
        for number in range(9)
    )
    assert [text.en for text in told] == [
        "There is no route to 192.0.2.0, 192.0.2.1, 192.0.2.2 and 6 more; check `ip route get "
        "ADDRESS`."
    ]
    assert "等 9 个目标" in told[0].zh
