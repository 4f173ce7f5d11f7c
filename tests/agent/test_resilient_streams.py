"""What was measured is shown or kept: terminals go away, readers leave, disks fill."""

import os
import pty
import select
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.controller.commands.test_campaign_run import SITES

PATIENCE_S = 120.0
PROBE = ("probe", "icmp", "127.0.0.1", "--interval", "10ms")


class Terminal:
    """A command on its own terminal, which can be taken away."""

    def __init__(self, state: Path, *words: str) -> None:
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "isochrone", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(state),
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.said = ""

    def wait_until_it_says(self, words: str) -> None:
        while words not in self.said:
            if not select.select([self._terminal], [], [], PATIENCE_S)[0]:
                self._process.kill()
                raise AssertionError(f"nothing more in {PATIENCE_S:.0f} s: {self.said}")
            try:
                self.said += os.read(self._terminal, 65_536).decode(errors="replace")
            except OSError:  # it has ended
                self._process.wait()
                raise AssertionError(self.said) from None

    def take_away(self) -> int:
        os.close(self._terminal)
        # Shells send one more as they end, and so does whoever wants to be sure.
        self._process.send_signal(signal.SIGHUP)
        return self.status()

    def status(self) -> int:
        """Return how it ended; one that does not is ended here."""
        try:
            return self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()

    def storm(self) -> int:
        """Send it hang-ups until it has ended."""
        until = time.monotonic() + PATIENCE_S
        while self._process.poll() is None and time.monotonic() < until:
            self._process.send_signal(signal.SIGHUP)
        os.close(self._terminal)
        return self.status()


def environment(state: Path) -> dict[str, str]:
    return os.environ | {"XDG_STATE_HOME": str(state), "ISOCHRONE_LANG": "en", "TERM": "xterm"}


def isochrone(state: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "isochrone", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(state) | extra,
        check=False,
    )


def shell(state: Path, command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    front_door = f"{sys.executable} -P -m isochrone"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(state) | {"ISOCHRONE": front_door} | extra,
        check=False,
    )


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def kept(state: Path) -> Path:
    (file,) = (state / "isochrone").glob("*.txt")
    return file


def needs_raw_icmp() -> None:
    if os.geteuid() != 0:
        pytest.skip("raw ICMP needs CAP_NET_RAW: run the tests as root or inside `unshare -rn`")


@pytest.mark.network
def test_a_probe_whose_terminal_goes_away_keeps_what_it_has_and_the_next_one_says_where(
    tmp_path: Path,
) -> None:
    needs_raw_icmp()
    terminal = Terminal(tmp_path, *PROBE, "192.0.2.1", "--count", "100000")
    terminal.wait_until_it_says("answered")
    terminal.take_away()
    file = kept(tmp_path)
    assert "-probe-" in file.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    text = file.read_text(encoding="utf-8")
    assert text.splitlines()[1].startswith("127.0.0.1 ")
    assert "\x1b" not in text
    assert text.count("127.0.0.1") == 1  # no live figures
    once, twice = (isochrone(tmp_path, *PROBE, "--count", "1").stderr for _ in range(2))
    assert str(file) in once
    assert twice == ""


def test_a_reflector_whose_terminal_goes_away_keeps_its_counters(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "reflect", "--open", "--listen", f"127.0.0.1:{free_port()}")
    terminal.wait_until_it_says("answering STAMP")
    terminal.take_away()
    assert "-reflect-" in kept(tmp_path).name
    assert "reflected 0\n" in kept(tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("_attempt", range(5))
def test_a_reflector_that_is_told_to_stop_again_and_again_ends(
    tmp_path: Path, _attempt: int
) -> None:
    """A handler that takes a lock waits for itself when a second signal finds it there."""
    terminal = Terminal(tmp_path, "reflect", "--open", "--listen", f"127.0.0.1:{free_port()}")
    terminal.wait_until_it_says("answering STAMP")
    assert terminal.storm() == 0


@pytest.mark.network
def test_a_campaign_whose_terminal_goes_away_reports(tmp_path: Path) -> None:
    needs_raw_icmp()
    (tmp_path / "sites.toml").write_text(SITES, encoding="utf-8")
    wanted = 'name = "autumn"\ntitle = "Autumn"\nduration_s = 600\nsites = "sites.toml"\n'
    (tmp_path / "campaign.toml").write_text(f"{wanted}window_s = 0.5\n", encoding="utf-8")
    words = ("campaign", "run", str(tmp_path / "campaign.toml"), "--out", str(tmp_path))
    terminal = Terminal(tmp_path, *words)
    terminal.wait_until_it_says("600 s left")
    terminal.take_away()
    assert (tmp_path / "autumn.html").exists()
    assert f"Report: {tmp_path / 'autumn.html'}" in kept(tmp_path).read_text(encoding="utf-8")


def test_a_trial_of_the_judge_whose_terminal_is_gone_keeps_its_table(tmp_path: Path) -> None:
    """Under nohup nothing ends it early."""
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        terminal = Terminal(tmp_path, "truth", "--cases", "5")
    finally:
        signal.signal(signal.SIGHUP, ignored)
    terminal.take_away()
    text = kept(tmp_path).read_text(encoding="utf-8")
    assert "all promised" in text
    assert "Seed 1." in text


@pytest.mark.network
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (">/dev/full", "No space left on device"),
        (">&-", "Bad file descriptor"),
        ("| true", "Broken pipe"),
    ],
)
def test_results_that_nobody_took_are_kept_and_told_at_once(
    tmp_path: Path, target: str, reason: str
) -> None:
    done = shell(tmp_path, f"$ISOCHRONE {' '.join(PROBE)} --count 2 {target}")
    assert done.returncode == 1
    told = f"The output cannot be written: {reason}; the results are in {kept(tmp_path)}."
    assert done.stderr == f"isochrone: {told}\n"
    assert "127.0.0.1" in kept(tmp_path).read_text(encoding="utf-8")
    assert not (tmp_path / "isochrone/unannounced").exists()


@pytest.mark.network
def test_a_reader_that_has_seen_enough_ends_it_quietly_as_it_ends_other_tools(
    tmp_path: Path,
) -> None:
    command = f"{{ $ISOCHRONE {' '.join(PROBE)} --count 1; echo $? >&2; }} | head -1"
    done = shell(tmp_path, command)
    assert done.stdout.startswith("target")
    assert done.stderr in ("141\n", "0\n")  # SIGPIPE; 0 where all was written before it left
    assert not (tmp_path / "isochrone").exists()


@pytest.mark.network
def test_a_home_that_cannot_be_written_leaves_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = str(tmp_path / "file/x")
    command = f"$ISOCHRONE {' '.join(PROBE)} --count 1 >/dev/full"
    done = shell(tmp_path, command, XDG_STATE_HOME=nowhere, TMPDIR=str(tmp_path))
    (elsewhere,) = tmp_path.glob("isochrone-*-probe-*.txt")
    assert f"the results are in {elsewhere}." in done.stderr


def test_progress_that_cannot_be_shown_stops_nothing(tmp_path: Path) -> None:
    done = shell(tmp_path, "$ISOCHRONE truth --cases 5 2>/dev/full")
    assert done.returncode == 0
    assert "Seed 1." in done.stdout
