"""The agents of the small fleet: where each keeps what, and how each is started, killed, ended."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lab.faults.sites import ADDRESSES
from lab.faults.spool_file import spool_of
from lab.fleet.children import died, end, isochrone_command, start
from lab.fleet.fleet import LAB_POLICY
from lab.fleet.owner_commands import enrol_agent

_STOP_S = 15.0


class Places(Protocol):
    """Where agents run."""

    def at(self, name: str) -> AbstractContextManager[None]:
        """Be in a site's network; what is started there stays there."""


class Agents:
    """One process a site, each with a configuration and its own state directory.

    `extra` has lines of an agent's configuration, `policy` what stands instead of the laboratory's
    policy, both by agent; they count when it is started or reloaded next.
    """

    def __init__(self, network: Places, run_dir: Path, url: str) -> None:
        self._network, self._run_dir, self._url = network, run_dir, url
        self.extra: dict[str, str] = {}
        self.policy: dict[str, str] = {}
        self.kills = 0
        self.started_ns: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(ADDRESSES)

    def state_dir(self, name: str) -> Path:
        """Return where an agent keeps its state."""
        directory = self._run_dir / "state" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def spool(self, name: str) -> Path:
        """Return where an agent keeps its spool."""
        return spool_of(self.state_dir(name))

    def configured(self, name: str) -> Path:
        """Write an agent's configuration as it is to be now; return the file."""
        file = self._run_dir / f"agent-{name}.toml"
        head = (
            f'name = "{name}"\ncontroller = "{self._url}"\nstate_dir = "{self.state_dir(name)}"\n'
        )
        text = head + self.extra.get(name, "") + self.policy.get(name, LAB_POLICY)
        file.write_text(text, encoding="utf-8")
        return file

    def enrol(self, name: str, token: str) -> None:
        """Get an agent its certificate. Raises ResourceError where it is refused."""
        enrol_agent(self._url, token, self.configured(name), self.state_dir(name))

    def start(self, name: str) -> None:
        """Start an agent in its site's network (again)."""
        command = isochrone_command("agent", "run", "--config", str(self.configured(name)))
        self.started_ns[name] = time.time_ns()
        with self._network.at(name):
            self._processes[name] = start(command, self._log(name))

    def kill(self, name: str) -> None:
        """End an agent as a power cut of its process would (kill -9)."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        self.kills += 1

    def stop(self, *names: str) -> None:
        """End agents cleanly, all at once."""
        processes = [self._processes.pop(name) for name in names]
        for process in processes:
            process.terminate()
        for process in processes:
            end(process, _STOP_S)

    def reload(self, name: str) -> None:
        """Let an agent read its configuration again."""
        self.configured(name)
        self._processes[name].send_signal(signal.SIGHUP)

    def check(self) -> None:
        """Raise ResourceError if one has died by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise died(f"agent {name}", f"探针 {name}", self._log(name))

    def end(self) -> None:
        """End at once whatever still runs."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    def _log(self, name: str) -> Path:
        return self._run_dir / f"agent-{name}.log"
