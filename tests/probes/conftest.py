"""Fixtures for tests that send real packets: namespaces of their own, and a small reflector."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from patience import PATIENCE_NS, wait_until

from probes.stamp.timestamps import wall_ns_to_ntp64

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def may_use_namespaces() -> bool:
    return os.geteuid() == 0 and None not in (shutil.which("ip"), shutil.which("ping"))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines wait for answers as long as a machine may stand still."""
    monkeypatch.setattr("probes.engine.engine.LINGER_NS", PATIENCE_NS)


class TwoHosts:
    """Two namespaces joined by a veth pair: 10.99.0.1 / fd99::1 (a) and .2 (b)."""

    def __init__(self) -> None:
        tag = f"{os.getpid() % 100000}{threading.get_ident() % 1000}"
        self.a, self.b = f"isoA{tag}", f"isoB{tag}"

    def build(self) -> None:
        for name in (self.a, self.b):
            sh("ip", "netns", "add", name)
        sh("ip", "-n", self.a, "link", "add", "v", "type", "veth", "peer", "name", "v",
           "netns", self.b)  # fmt: skip
        for name, last in ((self.a, "1"), (self.b, "2")):
            sh("ip", "-n", name, "addr", "add", f"10.99.0.{last}/24", "dev", "v")
            sh("ip", "-n", name, "addr", "add", f"fd99::{last}/64", "dev", "v", "nodad")
            sh("ip", "-n", name, "link", "set", "lo", "up")
            sh("ip", "-n", name, "link", "set", "v", "up")
        self._wait_until_up()
        for far in ("10.99.0.2", "fd99::2"):
            self.sh_in(self.a, "ping", "-q", "-c", "1", "-i", "0.05", "-w", "60", far)

    def _wait_until_up(self) -> None:
        """The kernel brings links up in its own worker, and drops what is sent before."""
        for name in (self.a, self.b):
            words = ["ip", "-n", name, "link", "show", "dev", "v", "up"]
            wait_until(lambda words=words: b"state UP" in subprocess.check_output(words))

    def remove(self) -> None:
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def sh_in(self, name: str, *words: str, stdin: str | None = None) -> None:
        subprocess.run(
            ["ip", "netns", "exec", name, *words], check=True, capture_output=True,
            input=None if stdin is None else stdin.encode(),
        )  # fmt: skip

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Run the block in a namespace: sockets and threads made there stay there."""
        with (
            pathlib.Path("/proc/thread-self/ns/net").open() as home,
            pathlib.Path(f"/run/netns/{name}").open() as there,
        ):
            assert _libc.setns(there.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert _libc.setns(home.fileno(), CLONE_NEWNET) == 0


@pytest.fixture
def two_hosts() -> Iterator[TwoHosts]:
    if not may_use_namespaces():
        pytest.skip(
            "needs root, iproute2 and ping to make network namespaces: run `sudo make test`"
        )
    hosts = TwoHosts()
    try:
        hosts.build()
        yield hosts
    finally:
        hosts.remove()


@pytest.fixture
def needs_raw_sockets() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        pytest.skip("needs raw sockets: run as root or grant cap_net_raw")


class SmallReflector:
    """A STAMP reflector that misbehaves on request; `number` is the sender's sequence number."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        stateful: bool = True,
        lose_forward: Callable[[int], bool] = lambda number: False,
        lose_backward: Callable[[int], bool] = lambda number: False,
        copies: Callable[[int], int] = lambda number: 1,
        hold: Callable[[int], bool] = lambda number: False,
        error_estimate: int = 0x8587,
    ) -> None:
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        with contextlib.suppress(PermissionError):  # room for all that comes while we stand still
            self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._sock.settimeout(0.05)
        self.port = int(self._sock.getsockname()[1])
        self._stateful, self._copies, self._hold = stateful, copies, hold
        self._lose_forward, self._lose_backward = lose_forward, lose_backward
        self._error_estimate = error_estimate
        self._count: dict[object, int] = {}
        self.held: list[tuple[bytes, object]] = []
        self._going = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._going:
            try:
                request, peer = self._sock.recvfrom(2048)
            except TimeoutError:
                continue
            received_ns = time.time_ns()
            number = struct.unpack("!I", request[:4])[0]
            if self._lose_forward(number):
                continue
            own = self._count.get(peer, 0)
            self._count[peer] = own + 1
            reply = bytearray(request.ljust(44, b"\0"))
            reply[24:38] = request[:14]
            reply[38:44] = bytes((0, 0, 250, 0, 0, 0))
            reply[16:24] = struct.pack("!Q", wall_ns_to_ntp64(received_ns))
            struct.pack_into("!I", reply, 0, own if self._stateful else number)
            struct.pack_into("!H", reply, 12, self._error_estimate)
            struct.pack_into("!Q", reply, 4, wall_ns_to_ntp64(time.time_ns()))
            if self._hold(number):
                self.held.append((bytes(reply), peer))
            elif not self._lose_backward(number):
                for _ in range(self._copies(number)):
                    self._sock.sendto(reply, peer)

    def release(self) -> None:
        """Send the replies held back."""
        for reply, peer in self.held:
            self._sock.sendto(reply, peer)  # type: ignore[arg-type]  # an address of recvfrom
        self.held.clear()

    def stop(self) -> None:
        self._going = False
        self._thread.join()
        self._sock.close()


@pytest.fixture
def small_reflector() -> Iterator[Callable[..., SmallReflector]]:
    made: list[SmallReflector] = []

    def make(**behaviour: object) -> SmallReflector:
        made.append(SmallReflector(**behaviour))  # type: ignore[arg-type]  # passed on as given
        return made[-1]

    yield make
    for reflector in made:
        reflector.stop()


@pytest.fixture
def free_udp_port() -> Callable[[str], int]:
    given = set()

    def find(host: str) -> int:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        while True:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind((host, 0))
                port = int(sock.getsockname()[1])
            if port not in given:  # the kernel may well name the same one twice
                given.add(port)
                return port

    return find
