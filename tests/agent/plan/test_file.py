"""The saved plan and its keys: whole or as they were before, for their owner alone."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.plan.file import load_keys, load_plan, replace_file, save_keys, save_plan
from messages.exchange import Plan, StampKeys
from probes.stream import StreamSpec, TypeP

STREAMS = st.builds(
    StreamSpec,
    stream_id=st.integers(0, 2**48 - 1),
    destination=st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    type_p=st.builds(
        TypeP,
        protocol=st.sampled_from(["icmp", "udp", "tcp"]),
        ip_version=st.sampled_from([4, 6]),
        port=st.none() | st.integers(1, 65_535),
    ),
    interval_ms=st.floats(0.01, 1e6),
)


@given(st.integers(0, 2**40), st.lists(STREAMS, max_size=3))
def test_a_plan_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, version: int, streams: list[StreamSpec]
) -> None:
    path = tmp_path_factory.getbasetemp() / "plan.json"
    plan = Plan(version=version, agent="a1", streams=tuple(streams))
    save_plan(path, plan)
    assert load_plan(path, "a1") == plan
    assert load_plan(path, "a2") is None  # the plan of another agent is none


def test_keys_come_back_and_are_gone_once_there_are_none(tmp_path: Path) -> None:
    keys = StampKeys(epoch=3, probing={"192.0.2.1": bytes(range(32))})
    path = tmp_path / "keys"
    assert load_keys(path) is None
    save_keys(path, keys)
    assert load_keys(path) == keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    save_keys(path, None)
    save_keys(path, None)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[" * 9999, b'{"version":1,"agent":7}'])
def test_what_cannot_be_read_is_no_plan_and_no_keys(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert load_plan(path, "a1") is None
    assert load_keys(path) is None


def test_a_file_is_replaced_and_never_written_through_a_link(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "plan.json"
    other.write_bytes(b"theirs")
    path.symlink_to(other)
    replace_file(path, b"ours")
    assert (other.read_bytes(), path.read_bytes()) == (b"theirs", b"ours")
    assert not path.is_symlink()


def test_what_a_crash_left_half_written_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    os.mkfifo(path.with_suffix(".new"))
    replace_file(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    replace_file(path, b"before")
    path.with_suffix(".new").mkdir()  # nothing can be written beside it
    with pytest.raises(OSError, match="plan"):
        replace_file(path, b"after")
    assert path.read_bytes() == b"before"
