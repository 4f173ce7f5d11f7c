"""Our side of a comparison, as its own program: the engine over some targets.

`python -m bench.sender` reads its order as JSON (`Order`) from its input and says one msgpack
object (`Done`), which can hold NaN.
"""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec
import numpy as np

from bench.accounting import Ended, Program, own_cpu_s
from lab.fleet.children import python_command
from probes.engine.engine import Engine, SampleBatch
from probes.stream import ProtocolName, StreamSpec, TypeP


class Order(msgspec.Struct, kw_only=True):
    """What to send. With `each` every stream sends so many probes, else all send for `seconds`."""

    protocol: ProtocolName
    targets: list[str]
    interval_ms: float
    seconds: float = 3.0
    each: int | None = None
    payload_bytes: int = 44
    port: int | None = None
    samples: bool = False


class Done(msgspec.Struct, kw_only=True):
    """What was sent and what it cost; delays in the order of sending, NaN where none."""

    cpu_s: float
    sent: int
    received: int
    timestamping: str
    rtt_ns: list[float] = []
    forward_ns: list[float] = []
    backward_ns: list[float] = []


def send(order: Order) -> Done:
    """Run the engine. CPU time counts from its start to the end of its stop."""
    samples: list[SampleBatch] = []
    kind = TypeP(
        protocol=order.protocol,
        ip_version=4,
        payload_bytes=order.payload_bytes,
        port=order.port,
    )
    engine = Engine(
        [
            StreamSpec(
                stream_id=number,
                destination=target,
                type_p=kind,
                interval_ms=order.interval_ms,
                timeout_ms=500,
            )
            for number, target in enumerate(order.targets)
        ],
        window_ns=1_000_000_000,
        on_windows=lambda _: None,
        on_samples=samples.append if order.samples else None,
        probes_per_stream=order.each,
    )
    before_s = own_cpu_s()
    engine.start()
    if order.each is None:
        time.sleep(order.seconds)
    else:
        engine.wait_until_finished()
    engine.stop()
    cpu_s, health = own_cpu_s() - before_s, engine.health()
    done = Done(
        cpu_s=cpu_s,
        sent=health.probes_sent,
        received=health.probes_received,
        timestamping=health.timestamping,
    )
    if order.samples:
        joined = {
            name: np.concatenate([getattr(batch, name) for batch in samples])
            for name in ("sent_ns", "rtt_ns", "forward_ns", "backward_ns")
        }
        in_order = np.argsort(joined["sent_ns"], kind="stable")
        for name in ("rtt_ns", "forward_ns", "backward_ns"):
            setattr(done, name, joined[name][in_order].tolist())
    return done


def start_sender(order: Order) -> Program:
    """Start this module as a child."""
    program = Program(*python_command("-m", "bench.sender"))
    program.tell(msgspec.json.encode(order))
    return program


def done_by(ended: Ended) -> Done:
    """Return what a child said. Raises CalledProcessError where it failed."""
    if ended.code:
        print(ended.complained.decode(), file=sys.stderr)
        raise subprocess.CalledProcessError(ended.code, "bench.sender")
    return msgspec.msgpack.decode(ended.said, type=Done)


def main() -> None:
    done = send(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))
    sys.stdout.buffer.write(msgspec.msgpack.encode(done))


if __name__ == "__main__":
    main()
