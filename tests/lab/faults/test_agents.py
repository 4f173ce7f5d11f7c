"""Agents as processes: configured afresh at each start, and missed when one dies by itself."""

import contextlib
import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from foundation.errors import ResourceError
from lab.faults.agents import Agents

URL = "https://127.0.0.1:9"


class Here:
    """Every agent runs in the network that we are in."""

    def at(self, name: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(Here(), tmp_path, URL)
    yield made
    made.end()


def test_a_configuration_is_what_is_asked_for_now(agents: Agents) -> None:
    usual = tomllib.loads(agents.configured("nanjing").read_text())
    assert (usual["name"], usual["controller"]) == ("nanjing", URL)
    assert Path(usual["state_dir"]).is_dir()
    agents.extra["nanjing"] = "[spool]\nmax_age_s = 4.0\n"
    agents.policy["nanjing"] = '[policy]\nprotocols = ["udp"]\n'
    strict = tomllib.loads(agents.configured("nanjing").read_text())
    assert strict["spool"] == {"max_age_s": 4.0}
    assert strict["policy"] == {"protocols": ["udp"]}
    assert "spool" not in tomllib.loads(agents.configured("yancheng").read_text())


def check_on(agents: Agents) -> None:
    while True:
        agents.check()


def test_one_that_dies_by_itself_is_told_with_the_end_of_its_log(agents: Agents) -> None:
    agents.start("nanjing")  # it is not enrolled
    with pytest.raises(ResourceError, match="not enrolled") as told:
        check_on(agents)
    assert "nanjing" in told.value.text.en
    assert agents.kills == 0


def test_a_kill_is_counted_and_a_stop_is_none(agents: Agents) -> None:
    agents.start("nanjing")
    agents.start("yancheng")
    agents.kill("nanjing")
    agents.stop("yancheng")
    agents.check()  # nobody is left who could have died
    assert agents.kills == 1
    assert set(agents.started_ns) == {"nanjing", "yancheng"}
