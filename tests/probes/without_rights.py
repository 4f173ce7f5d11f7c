"""Work done by a child that has given up all rights, and what it reports about it."""

from __future__ import annotations

import codecs
import json
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
from engine_run import Run
from patience import finish, wait_until

from probes.stream import StreamSpec

NOBODY = 65_534
PING_GROUPS = "net.ipv4.ping_group_range=0 2147483647"  # who may open ping sockets: everybody
# Nobody may not be able to read the libraries: what is imported late is imported now.
GENERATOR = np.random.default_rng(1)
"localhost".encode("idna")
codecs.lookup("ascii")


def without_rights(work: Callable[[], dict[str, object]]) -> dict[str, Any]:
    """Return what `work` tells in a child that has given up all rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(100)  # a child that hangs is not waited for
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    answer: dict[str, Any] = json.loads(told)
    return answer


def measured(*specs: StreamSpec, answered: int, icmp_errors: int = 0) -> dict[str, object]:
    """Send ten probes of each stream and tell what came of them, as JSON has it (NaN: -1).

    `answered` of them will be, and at least so many `icmp_errors` told of.
    """
    run = Run(*specs, probes=10)
    run.engine.start()
    wait_until(lambda: sum(run.engine.health().icmp_errors.values()) >= icmp_errors)
    finish(run.engine, answered=answered)
    names = ("stream_id", "outcome", "answer", "timestamping", "rtt_ns", "cause")
    columns = {
        name: np.nan_to_num(run.column(name), nan=-1.0).tolist() if run.samples else []
        for name in names
    }
    refused = [why.en for why in run.engine.health().refused.values()]
    said = [astuple(run.engine.cause(code)) for code in sorted({*columns["cause"]} - {0})]
    return columns | {"refused": refused, "said": said}


def as_nobody(*specs: StreamSpec, answered: int, icmp_errors: int = 0) -> dict[str, Any]:
    """Do it in a child that has given up all rights."""
    return without_rights(lambda: measured(*specs, answered=answered, icmp_errors=icmp_errors))
