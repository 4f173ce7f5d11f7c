"""Targets of a probe run: from arguments and files to addresses, all names resolved at once."""

from pathlib import Path

import pytest

from agent.probe.targets import read_targets, resolve
from foundation.errors import ConfigError
from tests.agent.probe.test_command import isochrone


def test_targets_come_from_arguments_and_file_each_once(tmp_path: Path) -> None:
    path = tmp_path / "targets"
    path.write_text("# sites\n10.0.0.1  nanjing\n\n10.0.0.2 # suzhou\n", encoding="utf-8")
    assert read_targets(["10.0.0.2"], path) == ["10.0.0.2", "10.0.0.1"]
    with pytest.raises(ConfigError):
        read_targets([], None)


def test_unresolvable_name_is_a_failed_target_and_others_go_on() -> None:
    bad, good = resolve(["nowhere.invalid", "127.0.0.1"], None)
    assert bad.address is None
    assert bad.error is not None
    assert (good.address, good.ip_version) == ("127.0.0.1", 4)
    assert resolve(["::1"], 4)[0].error is not None


@pytest.mark.parametrize("name", ["224.0.0.1", "0.0.0.0", "::", "fe80::1", "ff02::1", "", " "])
def test_what_is_not_one_hosts_address_is_refused_before_anything_is_sent(name: str) -> None:
    (target,) = resolve([name], None)
    assert target.error is not None
    assert target.address is None


@pytest.mark.network
def test_targets_come_from_standard_input_and_a_silent_one_is_explained() -> None:
    arguments = ("--count", "1", "--timeout", "200ms", "--port", "9")
    done = isochrone(
        "probe", "udp", "--file", "-", *arguments, stdin="127.0.0.1\n127.0.0.2 # here\n"
    )
    assert done.returncode == 1
    assert "Nothing listens on UDP port 9 of 127.0.0.1, 127.0.0.2" in done.stderr
    assert done.stderr.count("\n") == 1
