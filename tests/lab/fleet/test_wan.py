"""The WAN process, by its streams: what it says of itself, and how it ends when told or left."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from lab.fleet.children import child_environment, python_command
from lab.fleet.impairment import PathTable
from lab.fleet.packet_log import read_log
from lab.fleet.wan_spec import Event, SiteSpec, WanSpec

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("namespaces")]

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a WAN of these sites, whose run directory is tmp_path/run."""
    run_dir, table = tmp_path / "run", tmp_path / "paths.npz"
    run_dir.mkdir()
    with ExitStack() as running:

        def started(*sites: SiteSpec, temporary: bool = False) -> subprocess.Popen[bytes]:
            paths = PathTable.without_paths(sum(len(site.addresses) for site in sites))
            np.savez(table, **{name: getattr(paths, name) for name in PathTable.__slots__})
            spec = WanSpec(
                run_dir=str(run_dir),
                remove_when_orphaned=temporary,
                sites=sites,
                table=str(table),
                log_dir=str(run_dir / "truth"),
                seed=1,
            )
            (tmp_path / "wan.json").write_bytes(msgspec.json.encode(spec))
            wan = running.enter_context(
                subprocess.Popen(
                    python_command("-m", "lab.fleet.wan", str(tmp_path / "wan.json")),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=child_environment(),
                )
            )
            running.callback(wan.kill)
            return wan

        yield started


def site(name: str, address: str, agent_config: Path | None = None) -> SiteSpec:
    config = None if agent_config is None else str(agent_config)
    return SiteSpec(name=name, addresses=(address,), agent_config=config)


def heard(wan: subprocess.Popen[bytes]) -> Event:
    """Return what it says next."""
    assert wan.stdout is not None
    return msgspec.json.decode(wan.stdout.readline(), type=Event)


def rest(wan: subprocess.Popen[bytes], order: bytes = b"") -> list[Event]:
    """Give it an order, if any, and go away; return what it says until it ends."""
    said, _ = wan.communicate(order, timeout=120)  # a hang, not slowness
    return [msgspec.json.decode(line, type=Event) for line in said.splitlines()]


def test_told_to_stop_it_says_what_it_counted_and_leaves_its_log(
    start: Start, tmp_path: Path
) -> None:
    wan = start(site("a", "10.0.0.1"), site("b", "10.0.0.2"), temporary=True)
    assert heard(wan) == Event(event="ready")
    (last,) = rest(wan, b"stop\n")
    assert last.event == "finished"
    assert last.counters["received"] == last.counters["sent"] == 0
    assert wan.returncode == 0
    assert len(read_log(tmp_path / "run" / "truth")) == 0


@pytest.mark.parametrize("temporary", [True, False])
def test_left_alone_it_removes_what_nobody_wanted_to_keep(
    start: Start, tmp_path: Path, temporary: bool
) -> None:
    wan = start(site("a", "10.0.0.1"), temporary=temporary)
    heard(wan)
    said = [event.event for event in rest(wan)]  # without a word
    assert said == ([] if temporary else ["finished"])
    assert (tmp_path / "run").exists() is not temporary
    assert wan.returncode == 0


def test_its_parents_death_is_told_by_a_signal_and_an_interrupt_is_not_meant_for_it(
    start: Start, tmp_path: Path
) -> None:
    wan = start(site("a", "10.0.0.1"), temporary=True)
    heard(wan)
    wan.send_signal(signal.SIGINT)
    wan.send_signal(signal.SIGTERM)
    assert wan.wait(120) == 0
    assert not (tmp_path / "run").exists()


def test_an_agent_that_ends_by_itself_is_named_with_its_code_and_the_others_go_on(
    start: Start, tmp_path: Path
) -> None:
    wan = start(site("a", "10.0.0.1"), site("b", "10.0.0.2", tmp_path / "none.toml"))
    assert heard(wan) == Event(event="ready")
    ended = heard(wan)
    assert (ended.event, ended.agent) == ("agent_ended", "b")
    assert ended.code
    assert "none.toml" in (tmp_path / "run" / "agent-b.log").read_text(encoding="utf-8")
    assert [event.event for event in rest(wan, b"stop\n")] == ["finished"]


def test_an_agent_that_is_told_to_stop_has_not_ended_by_itself(
    start: Start, tmp_path: Path
) -> None:
    config, state = tmp_path / "agent.toml", tmp_path / "state"
    state.mkdir()
    config.write_text(
        f'name = "a"\ncontroller = "unix://{tmp_path}/none.sock"\nstate_dir = "{state}"\n',
        encoding="utf-8",
    )
    wan = start(site("a", "10.0.0.1", config))
    heard(wan)
    assert [event.event for event in rest(wan, b"stop\n")] == ["finished"]


def test_networks_that_cannot_be_had_are_refused_in_both_languages(start: Start) -> None:
    wan = start(site("a", "10.0.0.300"))
    refused = heard(wan)
    assert refused.event == "refused"
    assert refused.text is not None
    assert "could not be built" in refused.text.en
    assert "无法建立" in refused.text.zh
    assert rest(wan) == []
    assert wan.returncode == 1
