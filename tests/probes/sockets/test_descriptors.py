"""Descriptors run out: what asks for too many is refused alone, and the last are kept."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import pathlib
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from engine_run import Run, spec
from patience import wait_until

from foundation.errors import ResourceError
from probes.engine.engine import Engine
from probes.reflector.reflector import Reflector
from probes.reflector.spec import ReflectorSpec
from probes.sockets.descriptors import descriptors_for_sockets, new_socket
from probes.sockets.obstacles import is_shortage

_MAKERS = (
    "probes.protocols.icmp.opening.new_socket",
    "probes.sockets.opening.new_socket",
    "probes.protocols.tcp.opening.new_socket",
    "probes.reflector.listening.new_socket",
)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Let this process have only some 200 more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = descriptors()
    free = (number for number in itertools.count() if number not in used)
    few = next(itertools.islice(free, 200, None))
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors() -> set[int]:
    return {int(entry.name) for entry in pathlib.Path("/proc/self/fd").iterdir()}


def all_that_there_are() -> list[socket.socket]:
    held: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while True:
            held.append(new_socket(socket.AF_INET, socket.SOCK_DGRAM))
    return held


def refused(engine: Engine) -> list[str]:
    return [why.en for why in engine.health().refused.values()]


def test_stream_with_more_flows_than_descriptors_is_refused_alone(few_descriptors: None) -> None:
    greedy = [spec("udp", f"127.0.0.{n}", stream_id=n, port=9, flows=4096) for n in (2, 3)]
    run = Run(spec("icmp", stream_id=1), *greedy, probes=20)
    run.finish(answered=20)
    assert run.total("received", 1) == 20
    told = refused(run.engine)
    assert len(told) == 2
    assert all("LimitNOFILE" in text for text in told)


def test_the_last_descriptors_are_kept_for_what_must_not_stop(few_descriptors: None) -> None:
    run = Run(spec("udp", port=9, flows=4096), probes=None)
    run.engine.start()
    try:
        most = descriptors_for_sockets()
        assert len(descriptors()) < most
        held = all_that_there_are()
        os.close(os.open("/dev/null", os.O_RDONLY))  # others still find one
    finally:
        for sock in held:
            sock.close()
        run.engine.stop(wait_for_replies=False)


def test_refused_stream_begins_once_there_are_descriptors_again(few_descriptors: None) -> None:
    big = spec("udp", port=9, flows=120, stream_id=2, interval_ms=50.0)
    run = Run(spec("icmp", interval_ms=20.0), big, probes=None)
    held = all_that_there_are()
    for _ in range(20):
        held.pop().close()
    run.engine.start()
    try:
        assert len(refused(run.engine)) == 1
        for sock in held:
            sock.close()
        run.engine.update([big])  # as after any change of routes, or half a minute
        wait_until(lambda: not refused(run.engine))
    finally:
        run.engine.stop(wait_for_replies=False)


def test_places_beyond_the_descriptors_are_refused_and_the_others_answer(
    few_descriptors: None, free_udp_port: Callable[[str], int]
) -> None:
    places = [
        ReflectorSpec(address="127.0.0.1", port=free_udp_port("127.0.0.1"), peers=("127.0.0.1",))
        for _ in range(200)
    ]
    reflector = Reflector(places, own_clock_bound_ns=lambda: 0.0)
    try:
        assert 50 < len(reflector.addresses()) < 200
        assert ["LimitNOFILE" in text.en for text in reflector.refused()] == [True]
    finally:
        reflector.stop()


@pytest.mark.parametrize("number", [errno.ENFILE, errno.EMFILE, errno.ENOMEM, errno.ENOBUFS])
def test_every_shortage_is_a_sentence_and_no_traceback(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    for maker in _MAKERS:
        monkeypatch.setattr(maker, fail)
    engine = Run(spec("icmp"), spec("udp", stream_id=2), probes=None).engine
    engine.start()
    assert len(refused(engine)) == 2
    engine.stop()
    with pytest.raises(ResourceError) as caught:
        Reflector(
            [ReflectorSpec(address="127.0.0.1", port=862, peers=())], own_clock_bound_ns=lambda: 0.0
        )
    assert is_shortage(caught.value)


@pytest.mark.parametrize("command", ["probe", "reflect"])
def test_commands_raise_their_limit_to_what_they_may_have(command: str) -> None:
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 5000))\n"
        "import isochrone\n"
        "import probes.sockets.descriptors as d\n"
        "real = d.raise_descriptor_limit\n"
        "def told():\n"
        "    real(); print(resource.getrlimit(resource.RLIMIT_NOFILE)); sys.stdout.flush()\n"
        "    raise SystemExit(0)\n"
        "d.raise_descriptor_limit = told\n"
        f"sys.argv = ['isochrone', {command!r}, *sys.argv[1:]]\n"
        "isochrone.main()\n"
    )
    words = {"probe": ["icmp", "127.0.0.1"], "reflect": ["--open", "--listen", "127.0.0.1:8620"]}
    run = subprocess.run(
        [sys.executable, "-P", "-c", script, *words[command]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "(5000, 5000)\n"
