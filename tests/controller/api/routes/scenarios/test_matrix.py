"""The site × site matrix of worst verdicts."""

from typing import Any

from tests.controller.api.conftest import stream_ids


async def test_matrix_shows_the_worst_verdict_of_each_pair(measured: Any) -> None:
    matrix = await measured.get("/api/v1/matrix?target=jiangsu-circle-5")
    assert matrix["sites"] == ["nanjing", "suzhou", "router"]
    cells = matrix["cells"]
    assert cells[0][1]["verdict"] == "pass"
    assert cells[0][1]["paths"] == len(stream_ids(measured, "nanjing"))
    assert cells[1][0]["verdict"] == "no_data"
    assert cells[0][0] is None
