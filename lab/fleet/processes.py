"""The controller and the WAN as children of a run: started, watched, ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from foundation.errors import ResourceError
from foundation.text import Text
from lab.fleet.children import died, end, isochrone_command, python_command, start
from lab.fleet.wan_spec import Event, WanSpec

_CONTROLLER_PATIENCE_S = 10.0
_WAN_PATIENCE_S = 30.0


class ControllerProcess:
    """The controller as a child: it can be killed and started again, as in life.

    It listens on a unix socket alone, which the user who runs the lab owns: no other credential is
    needed, and nobody else can reach it. `words` of its command line may let it listen elsewhere.
    """

    def __init__(
        self, run_dir: Path, sites_file: Path, options: Mapping[str, float], *words: str
    ) -> None:
        self.socket_path = run_dir / "controller.sock"
        self.url = f"unix://{self.socket_path}"
        self.data = run_dir / "controller"
        self.log = run_dir / "controller.log"
        self._command = isochrone_command("controller", "run")
        self._command += ["--sites", str(sites_file.absolute())]
        self._command += ["--data", str(self.data), "--listen", f"unix:{self.socket_path}"]
        for name, value in options.items():
            self._command += [f"--{name}", f"{value:g}"]
        self._command += words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again)."""
        self._process = start(self._command, self.log, on_parent_death=signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it cleanly."""
        if self._process is not None:
            end(self._process, _CONTROLLER_PATIENCE_S)
            self._process = None

    def check(self) -> None:
        """Raise ResourceError if it has died by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise died("controller", "控制器", self.log)


class WanProcess:
    """The WAN process and what it says."""

    def __init__(self, spec: WanSpec) -> None:
        run_dir = Path(spec.run_dir)
        spec_path = run_dir / "wan.json"
        spec_path.write_bytes(msgspec.json.encode(spec))
        self.log = run_dir / "wan.log"
        self.finished: Event | None = None
        self._ready = threading.Event()
        self._refusal: Text | None = None
        self._ended: list[Event] = []
        command = python_command("-m", "lab.fleet.wan", str(spec_path))
        self._process = start(
            command,
            self.log,
            on_parent_death=signal.SIGTERM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, name="wan-events", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = msgspec.json.decode(line, type=Event)
            if event.event == "ready":
                self._ready.set()
            elif event.event == "refused":
                self._refusal = event.text
            elif event.event == "agent_ended":
                self._ended.append(event)
            else:
                self.finished = event

    def ready(self) -> bool:
        """Return whether the networks stand and the agents are started. Raises if it failed."""
        self.check()
        return self._ready.is_set()

    def check(self) -> None:
        """Raise if the WAN refused or died, or an agent did."""
        if self._process.poll() is not None:
            self._reader.join(1)
            if self._refusal is not None:
                raise ResourceError(self._refusal.en, self._refusal.zh)
            raise died("WAN", "广域网仿真", self.log)
        if self._ended:
            name = self._ended[0].agent
            raise died(f"agent {name}", f"探针 {name}", self.log.parent / f"agent-{name}.log")

    def stop(self) -> None:
        """Let the agents hand in what they have, then the emulator write its log; wait for both."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"stop\n")
                self._process.stdin.flush()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_WAN_PATIENCE_S)
        self.kill()

    def kill(self) -> None:
        """End it at once; the kernel removes the networks, and the agents with it."""
        self._process.kill()
        self._process.wait()
        self._reader.join(2)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
