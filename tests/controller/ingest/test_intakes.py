"""What a section must be like before its chunk is taken."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.domain_errors import ConflictError, MalformedError
from controller.ingest.intakes import (
    LATER_S,
    Intake,
    Planned,
    WindowsIntake,
    check_sections,
    register_intake,
    unregister_intake,
)
from messages.sections.windows import WINDOWS
from probes.window import WindowBatch
from tests.controller.conftest import WINDOW_NS, batch_of
from tests.messages.sections.test_registry import Marks


class Plans:
    """Agents were asked for streams 5 and 7, in windows of ten seconds."""

    def foreign(self, agent: str, stream_ids: Sequence[int] | NDArray[np.uint64]) -> list[int]:
        return [int(one) for one in stream_ids if one not in (5, 7)]

    async def asked_for_windows_of(self, agent: str, duration_ns: int) -> bool:
        return duration_ns == WINDOW_NS


async def check(batch: WindowBatch) -> None:
    await check_sections("nanjing", {WINDOWS.name: batch}, Plans())


async def test_windows_that_were_asked_for_are_taken() -> None:
    await check(batch_of([5, 7], 0))
    await check(batch_of([], 0, duration_ns=1))  # of no windows the length says nothing


async def test_a_stream_twice_in_a_chunk_is_wrong_for_ever() -> None:
    with pytest.raises(MalformedError) as error:
        await check(batch_of([5, 5], 0))
    assert error.value.code == "malformed_chunk"


async def test_streams_that_a_plan_may_explain_are_to_be_offered_again() -> None:
    with pytest.raises(ConflictError) as error:
        await check(batch_of([5, *range(100, 120)], 0))
    assert (error.value.code, error.value.retry_after_s) == ("foreign_streams", LATER_S)
    assert error.value.fields["stream_ids"] == list(range(100, 110))  # the first ten
    assert "20 streams" in error.value.text.en


async def test_windows_of_another_length_are_to_be_offered_again() -> None:
    with pytest.raises(ConflictError) as error:
        await check(batch_of([5], 0, duration_ns=60 * 10**9))
    assert (error.value.code, error.value.retry_after_s) == ("foreign_windows", LATER_S)
    assert "60 s" in error.value.text.en


async def test_a_kind_that_is_not_known_here_waits_for_an_upgrade() -> None:
    with pytest.raises(ConflictError) as error:
        await check_sections("nanjing", {"routes": object()}, Plans())
    assert (error.value.code, error.value.fields["kind"]) == ("unknown_section", "routes")


class MarksIntake(Intake[list[int]]):
    """Takes them all, and remembers whose."""

    def __init__(self) -> None:
        super().__init__(Marks())
        self.checked: list[tuple[str, list[int]]] = []

    async def check(self, agent: str, content: list[int], planned: Planned) -> None:
        self.checked.append((agent, content))


@pytest.fixture
def intake() -> Iterator[MarksIntake]:
    made = MarksIntake()
    register_intake(made)
    yield made
    unregister_intake(made)


async def test_every_section_of_a_chunk_is_asked_of_its_own_intake(intake: MarksIntake) -> None:
    await check_sections("nanjing", {Marks.name: [1], WINDOWS.name: batch_of([5], 0)}, Plans())
    assert intake.checked == [("nanjing", [1])]
    with pytest.raises(ConflictError):
        await check_sections("nanjing", {Marks.name: [1], WINDOWS.name: batch_of([9], 0)}, Plans())


def test_a_kind_has_one_intake() -> None:
    with pytest.raises(ValueError, match="two intakes"):
        register_intake(WindowsIntake(WINDOWS))
