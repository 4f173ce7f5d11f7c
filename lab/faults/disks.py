"""Faults of disks: full ones, and what is read back from them is not what was written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from foundation.text import Text
from lab.faults.spool_file import flip, tear
from lab.faults.stage import Stage

SMALL_DISK_BYTES = 600 << 10
_ONE = "nanjing"


def agent_disk(stage: Stage, rounds: int) -> Text:
    """Fill it while the controller is away, so that windows have nowhere to go but memory."""
    directory = stage.agents.state_dir(_ONE)
    stage.mount(directory, SMALL_DISK_BYTES)
    stage.begin()
    stage.pause(1.0)
    stage.controller.kill()
    ballast = fill(directory)
    stage.pause(float(rounds))
    stage.agents.kill(_ONE)
    stage.agents.start(_ONE)
    stage.pause(float(rounds))
    ballast.unlink()
    stage.controller.start()
    return Text(f"full for {2 * rounds} s, kill -9 in it", f"写满 {2 * rounds} 秒，其间 kill -9")


def delivered_from_memory(stage: Stage, rounds: int) -> Text:
    """The controller comes back while the disk is full and takes what memory holds; then kills."""
    directory = stage.agents.state_dir(_ONE)
    stage.mount(directory, SMALL_DISK_BYTES)
    stage.begin()
    stage.pause(1.0)
    stage.controller.kill()
    ballast = fill(directory)
    stage.pause(2.0 * rounds)
    stage.controller.start()
    for _ in range(rounds):
        stage.pause(0.5, 3.0)
        stage.agents.kill(_ONE)
        stage.agents.start(_ONE)
        stage.wait_until_connected()
    ballast.unlink()
    return Text(f"full, {rounds} × kill -9", f"写满，kill -9 {rounds} 次")


def damaged_spool(stage: Stage, rounds: int) -> Text:
    """Overwrite pages of the spool, then flip single bits of chunks, while the agent is dead."""
    stage.begin()
    stage.pause(1.0)
    stage.controller.kill()
    for number in range(rounds):
        stage.pause(1.5, 2.5)
        stage.wait_until_spool_is_kept(_ONE)
        stage.agents.kill(_ONE)
        (tear if number == 0 else flip)(stage.agents.spool(_ONE))
        stage.agents.start(_ONE)
    stage.controller.start()
    return Text("pages torn, bits flipped", "页面损坏、位翻转")


def controller_disk(stage: Stage, rounds: int) -> Text:
    """Fill it, and kill the controller in it: it starts all the same."""
    stage.mount(stage.controller.data, 12 << 20)  # SQLite's log alone grows to 4 MiB
    stage.begin()
    stage.pause(1.0)
    ballast = fill(stage.controller.data)
    stage.pause(float(rounds))
    stage.controller.kill()
    stage.controller.start()
    stage.wait_until_connected()  # what it has is served, and agents get their plans
    stage.pause(float(rounds))
    ballast.unlink()
    return Text(f"full for {2 * rounds} s, kill -9 in it", f"写满 {2 * rounds} 秒，其间 kill -9")


def fill(directory: Path) -> Path:
    """Fill the disk of a directory; return the file that does."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            os.fsync(file.fileno())
    return ballast
