"""A saved plan that ended the agent twice is not resumed before the controller was asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import cast

import pytest

from agent.conditions import Conditions
from agent.measuring.measuring import Measuring
from agent.plan.file import PLAN_FILE
from agent.plan.in_force import TRIAL_FILE, PlanInForce, PlanTrial


def test_two_starts_that_did_not_last_are_enough(tmp_path: Path) -> None:
    assert [PlanTrial(tmp_path).begins() for _ in range(4)] == [True, True, False, False]


def test_start_that_lasts_or_is_ended_in_order_counts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = PlanTrial(tmp_path)
    trial.begins()
    trial.passed()
    assert [trial.begins(), trial.begins()] == [True, True]
    monkeypatch.setattr("agent.plan.in_force.LASTS_S", 0.001)
    asyncio.run(trial.survives(lambda: True))
    assert trial.begins()


def test_agent_that_measures_nothing_has_proved_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.plan.in_force.LASTS_S", 0.001)
    trial = PlanTrial(tmp_path)
    trial.begins()

    async def wait_a_little() -> None:
        async with asyncio.timeout(0.05):
            await trial.survives(lambda: False)

    with pytest.raises(TimeoutError):
        asyncio.run(wait_a_little())
    assert (tmp_path / TRIAL_FILE).exists()


@pytest.mark.parametrize("content", ["", "-7", "many", "9" * 5000, "1e9"])
def test_file_that_cannot_be_read_keeps_nobody_from_measuring(tmp_path: Path, content: str) -> None:
    (tmp_path / TRIAL_FILE).write_text(content, encoding="ascii")
    assert PlanTrial(tmp_path).begins()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'{"version":1,"agent":"another"}'])
def test_a_saved_plan_that_cannot_be_used_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PLAN_FILE).write_bytes(content)
    conditions = Conditions()
    measuring = cast(Measuring, None)  # which is not asked for anything
    asyncio.run(PlanInForce(tmp_path, "a1", measuring, conditions).resume())
    (told,) = conditions.current()
    assert told.code == "plan_not_resumed"
    assert str(tmp_path / PLAN_FILE) in told.text.en
    assert str(tmp_path / PLAN_FILE) in told.text.zh


@pytest.mark.parametrize("name", [TRIAL_FILE, PLAN_FILE])
@pytest.mark.parametrize("how", ["pipe", "loop", "directory"])
def test_what_stands_where_a_file_should_be_keeps_no_agent_from_its_start(
    tmp_path: Path, name: str, how: str
) -> None:
    place = tmp_path / name
    made = {"pipe": os.mkfifo, "loop": lambda path: path.symlink_to(path), "directory": Path.mkdir}
    made[how](place)
    trial, conditions = PlanTrial(tmp_path), Conditions()
    assert trial.begins()
    asyncio.run(PlanInForce(tmp_path, "a1", cast(Measuring, None), conditions).resume())
    told = [condition.code for condition in conditions.current()]
    assert told == ["plan_not_resumed"] * (name == PLAN_FILE)


def test_a_pipe_in_place_of_the_trial_is_replaced_and_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / TRIAL_FILE)
    assert [PlanTrial(tmp_path).begins() for _ in range(3)] == [True, True, False]


def test_no_saved_plan_is_no_fault(tmp_path: Path) -> None:
    conditions = Conditions()
    measuring = cast(Measuring, None)
    asyncio.run(PlanInForce(tmp_path, "a1", measuring, conditions).resume())
    assert conditions.current() == ()
