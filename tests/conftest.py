"""What holds for every test: the same examples and surroundings, signals and timestamps that
arrive.

To look for new examples: `pytest --hypothesis-profile=explore --hypothesis-seed=N`.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A machine that stands still for a second is no fault of the code: no test has a deadline.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, database=None, **PATIENT)
settings.register_profile("explore", database=None, **PATIENT)
settings.load_profile("same")

# What a user or a runner has set for other programs changes no result here.
OF_OTHERS = {"COLORTERM", "COLUMNS", "FORCE_COLOR", "LANGUAGE", "LINES", "NO_COLOR", "TMUX"}
OF_OTHERS |= {f"{name}_proxy" for name in ("http", "https", "all")}
KEPT = {"ISOCHRONE_CONTRACT_EXAMPLES"}
for name in sorted(os.environ.keys() - KEPT):
    if (
        name in OF_OTHERS
        or name.lower() in OF_OTHERS
        or name.startswith(("ISOCHRONE_", "LC_", "TEXTUAL"))
    ):
        del os.environ[name]
os.environ["LANG"] = "C.UTF-8"  # shells complain of a language that is not installed

# Who is started in the background hears no Ctrl-C and would hand that down to every child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Nor a hang-up (nohup): it continues being ignored here, and is what it is in a terminal to
# children.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

SO_TIMESTAMPING = 37
SOFTWARE_RX = 1 << 3 | 1 << 4


@pytest.fixture(autouse=True)
def _signals_are_handled_as_before() -> Iterator[None]:
    """Undo what commands that run in this process set: children would inherit what is ignored."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _rx_timestamps_are_in_force() -> Iterator[None]:
    """Have the kernel timestamp arrivals for as long as tests run.

    It turns this on for all sockets at once, in a worker that may have to wait on a busy machine:
    without this, packets that arrive soon after a socket was opened might carry no timestamp.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE_RX)
        sock.settimeout(10)
        give_up_s = time.monotonic() + 60
        # Where nothing is timestamped, or loopback is down, the tests that need it say so
        # themselves.
        with contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", 0))
            while time.monotonic() < give_up_s:
                sock.sendto(b"", sock.getsockname())
                if any(kind == SO_TIMESTAMPING for _, kind, _ in sock.recvmsg(1, 256)[1]):
                    break
        yield
