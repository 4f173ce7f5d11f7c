"""The WAN process: makes the networks, starts an agent in each site's, and carries packets.

`python -m lab.fleet.wan SPEC.json`, started by lab.fleet.processes. When its parent dies it removes
what the run left behind; when it dies itself, the kernel removes networks and agents.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from foundation.errors import IsochroneError
from lab.fleet.children import isochrone_command, start
from lab.fleet.networks import SiteNetwork, enter_hub, inside, make_sites
from lab.fleet.wan_spec import Event, WanSpec, read_spec

if TYPE_CHECKING:
    from lab.fleet.emulator import Emulator

# Twenty agents share this machine with whatever else runs on it, as no real fleet does.
_AGENT_NICENESS = -10
_PATIENCE_S = 15.0  # how long agents may take to hand in their last windows


def say(event: Event) -> None:
    """Write one event to the orchestrator; nobody listening is no error."""
    try:
        sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        pass


class Agents:
    """The agents of the sites, and the orchestrator's wish to stop."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stop_at: float | None = None
        self._orphaned = False
        os.set_blocking(0, False)

    def start(self, spec: WanSpec, networks: list[SiteNetwork]) -> None:
        """Start every site's agent inside its network."""
        for site, network in zip(spec.sites, networks, strict=True):
            if site.agent_config is not None:
                log = Path(spec.run_dir, f"agent-{site.name}.log")
                command = isochrone_command("agent", "run", "--config", site.agent_config)
                with inside(network):
                    self._running[site.name] = start(command, log, niceness=_AGENT_NICENESS)

    @property
    def orphaned(self) -> bool:
        """Whether the orchestrator went away without saying stop."""
        return self._orphaned

    def orphan(self, *_: object) -> None:
        """Note that the orchestrator is gone (also a signal handler)."""
        self._orphaned = True

    def keep(self) -> bool:
        """Look after agents and orders; return False when all is over."""
        self._handle()
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                del self._running[name]
                if self._stop_at is None:
                    say(Event(event="agent_ended", agent=name, code=process.returncode))
        if self._orphaned:
            return False
        if self._stop_at is None:
            return True
        return bool(self._running) and time.monotonic() < self._stop_at + _PATIENCE_S

    def _handle(self) -> None:
        try:
            heard = os.read(0, 64)
        except BlockingIOError:
            return
        if b"stop" in heard and self._stop_at is None:
            self._stop_at = time.monotonic()
            for process in self._running.values():
                process.terminate()
        elif not heard and self._stop_at is None:
            self._orphaned = True

    def kill(self) -> None:
        """End at once whatever still runs."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()


def _build(spec: WanSpec, networks: list[SiteNetwork]) -> Emulator:
    """Return the emulator; numpy is imported only now, with the namespaces entered."""
    import numpy as np

    from lab.fleet.emulator import Emulator
    from lab.fleet.impairment import Paths, PathTable
    from lab.fleet.packet_log import PacketLog

    addresses = [address for site in spec.sites for address in site.addresses]
    behind = [
        network.hub_interface
        for site, network in zip(spec.sites, networks, strict=True)
        for _ in site.addresses
    ]
    with np.load(spec.table) as arrays:
        table = PathTable(**{name: arrays[name] for name in arrays.files})
    return Emulator(
        Paths(addresses, table),
        behind,
        PacketLog(Path(spec.log_dir)),
        seed=spec.seed,
        spin_ns=round(spec.spin_us * 1e3),
    )


def main(spec_path: str) -> int:
    """Run the WAN until told to stop; return the exit code."""
    spec = read_spec(Path(spec_path))
    try:
        enter_hub()
        networks = make_sites([(site.name, site.addresses) for site in spec.sites])
    except IsochroneError as error:
        say(Event(event="refused", text=error.text))
        return 1
    agents = Agents()
    signal.signal(signal.SIGTERM, agents.orphan)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    emulator = _build(spec, networks)
    agents.start(spec, networks)
    say(Event(event="ready"))
    try:
        emulator.run(agents.keep)
    finally:
        agents.kill()
        if agents.orphaned and spec.remove_when_orphaned:
            shutil.rmtree(spec.run_dir, ignore_errors=True)
        else:
            emulator.close()
            say(Event(event="finished", counters=msgspec.to_builtins(emulator.counters)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
