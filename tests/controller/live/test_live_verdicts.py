"""What a round of judging takes from agents beside their windows."""

from typing import Any

import pytest

from messages.exchange import Health


@pytest.mark.parametrize(
    ("own", "far", "together"), [(4_000, 9_000, 13_000), (4_000, None, 4_000), (None, None, 0)]
)
async def test_timestamps_of_both_ends_are_counted(
    controller: Any, own: int | None, far: int | None, together: int
) -> None:
    state = controller.services
    stream = next(s for s in state.rounds.scope.streams if s.path.destination.site in state.fleet)
    for site, calibration_ns in (
        (stream.path.source.site, own),
        (stream.path.destination.site, far),
    ):
        told = Health(version="0", boot="b", started_ns=0, sent_ns=0, calibration_ns=calibration_ns)
        state.fleet.heard(site, told)
    await controller.judge()
    row = state.rounds.scope.streams.index(stream)
    assert state.rounds.live.latest.evidence.calibration_ns[row] == together
