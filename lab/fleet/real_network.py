"""Measuring real networks from this machine: a controller and the agents whose sites are here."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from pathlib import Path

from foundation.errors import ConfigError
from lab.fleet.children import died, end, isochrone_command, start
from lab.fleet.processes import ControllerProcess
from lab.fleet.run_directory import RunDirectory
from probes.stream import ip_version_of
from topology.network import Network
from topology.site_file import load_network

_PATIENCE_S = 10.0
_LIVE_PERIOD_S = 300.0
_WINDOW_S = 5.0
# Who starts both owns both: his own machine's addresses may be measured too.
_OWN_POLICY = """
[policy]
destinations = ["0.0.0.0/0", "::/0", "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"]
"""
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def is_local(address: str) -> bool:
    """Return whether an interface of this machine has the address."""
    with (
        socket.socket(_FAMILY[ip_version_of(address)], socket.SOCK_DGRAM) as trial,
        contextlib.suppress(OSError),
    ):
        trial.bind((address, 0))
        return True
    return False


def local_sites(network: Network) -> list[str]:
    """Return the sites that have an address of this machine. Raises ConfigError if none has."""
    found = [
        name
        for name, site in network.sites.items()
        if not site.external and any(is_local(i.address) for i in site.interfaces)
    ]
    if not found:
        raise ConfigError(
            "No site of the file has an address of this machine, so there is nothing to measure"
            " from; give one site this machine's address (see: ip addr).",
            "站点文件中没有任何站点使用本机地址，无法从本机测量；"
            "请为某个站点填写本机地址（可用 ip addr 查看）。",
        )
    return found


def seen_from_here(text: str, network: Network, here: list[str]) -> str:
    """Return the site file with every site that is not here marked as external.

    An external site is measured, and runs no agent of ours that this controller could wait for.
    """
    lines = []
    inside_site = False
    for line in text.splitlines():
        lines.append(line)
        if header := re.match(r"\s*\[+\s*([\w.]+)", line):
            inside_site = header[1] == "site"
        name = re.match(r"""\s*name\s*=\s*["']([^"']+)["']""", line)
        if inside_site and name and name[1] in network.sites:
            if name[1] not in here and not network.sites[name[1]].external:
                lines.append("external = true")
            inside_site = False
    return "\n".join(lines) + "\n"


class RealFleet:
    """The controller and this machine's agents, on the machine's own network."""

    def __init__(self, sites_file: Path, directory: RunDirectory) -> None:
        network = load_network(sites_file)
        self.here = local_sites(network)
        copy = directory.path / "sites.toml"
        text = sites_file.read_text(encoding="utf-8")
        copy.write_text(seen_from_here(text, network, self.here), encoding="utf-8")
        self.network = load_network(copy)
        options = {"judge-period": _LIVE_PERIOD_S, "judge-every": 2.0, "window": _WINDOW_S}
        self.controller = ControllerProcess(directory.path, copy, options)
        self._run_dir, self.temporary = directory.path, directory.temporary
        self._agents: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start everything."""
        self.controller.start()
        for name in self.here:
            config = self._run_dir / f"agent-{name}.toml"
            state_dir = self._run_dir / "agents" / name
            state_dir.mkdir(parents=True)
            config.write_text(
                f'name = "{name}"\ncontroller = "unix://{self.controller.socket_path}"\n'
                f'state_dir = "{state_dir}"\n{_OWN_POLICY}',
                encoding="utf-8",
            )
            command = isochrone_command("agent", "run", "--config", str(config))
            self._agents[name] = start(command, self._run_dir / f"agent-{name}.log")

    def check(self) -> None:
        """Raise an error with the end of the log if anything has died."""
        self.controller.check()
        for name, process in self._agents.items():
            if process.poll() is not None:
                log = self._run_dir / f"agent-{name}.log"
                raise died(f"agent {name}", f"探针 {name}", log)

    def kill(self) -> None:
        """End everything at once: what it keeps is wanted by nobody."""
        for process in self._agents.values():
            process.kill()
        for process in self._agents.values():
            process.wait()
        self.controller.kill()

    def stop(self) -> None:
        """End everything."""
        for process in self._agents.values():
            process.terminate()
        for process in self._agents.values():
            end(process, _PATIENCE_S)
        self.controller.stop()
