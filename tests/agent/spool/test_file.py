"""What the spool has committed is there after anything, and what it drops it tells."""

import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.spool.counts import Count, count_of, total
from agent.spool.file import Limits, SpooledChunk, SpoolFile

# Where syncing costs nothing, if there is such a place: what is tested there is arithmetic.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
HOUR_NS = 3_600_000_000_000
BOOT = "0123456789abcdef"
WRITER = """
import sys
import threading
from pathlib import Path
from agent.spool.counts import count_of
from agent.spool.file import Limits, SpooledChunk, SpoolFile
spool = SpoolFile(Path(sys.argv[1]), Limits(1 << 30, 1 << 60))
while True:
    number = spool.next_sequence
    payload = b"%d" % number * 500
    known = {"sequence": number, "boot": "0" * 16, "start_ns": 1}
    spool.put([SpooledChunk(**known, count=count_of(windows=1, probes=7), payload=payload)], 1)
    print(number, flush=True)
"""


def open_spool(path: Path, max_bytes: int = 1 << 20) -> SpoolFile:
    return SpoolFile(path, Limits(max_bytes, HOUR_NS))


def chunk(sequence: int, *, start_ns: int = HOUR_NS, size: int = 1000) -> SpooledChunk:
    return SpooledChunk(
        sequence=sequence,
        boot=BOOT,
        start_ns=start_ns,
        count=count_of(windows=3, probes=30),
        payload=bytes(size),
    )


def pending(spool: SpoolFile) -> list[int]:
    return [each.sequence for each in spool.pending(100, skip=frozenset())]


def test_killed_writer_loses_no_committed_chunk(tmp_path: Path) -> None:
    """kill -9 at random moments; what was told as committed is there, whole, each time."""
    path, committed = tmp_path / "spool.sqlite3", 0
    moments = random.Random(7)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randrange(1, 60)):
                committed = int(writer.stdout.readline())
            os.kill(writer.pid, signal.SIGKILL)
            committed = max([committed, *(int(line) for line in writer.stdout.read().split())])
        spool = open_spool(path, 1 << 30)
        kept = spool.pending(10_000, skip=frozenset())
        assert [each.sequence for each in kept][:committed] == list(range(1, committed + 1))
        assert all(each.payload == b"%d" % each.sequence * 500 for each in kept)
        assert spool.next_sequence > committed
        spool.close()


def test_sequence_goes_on_after_everything_was_delivered(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s")
    spool.put([chunk(1), chunk(2)], HOUR_NS)
    spool.delete([1, 2])
    spool.close()
    assert open_spool(tmp_path / "s").next_sequence == 3


def test_oldest_chunks_are_dropped_and_their_windows_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s", max_bytes=2500)
    for sequence in range(1, 5):
        spool.put([chunk(sequence)], HOUR_NS)
    assert pending(spool) == [3, 4]
    assert (spool.dropped["no_room"], spool.bytes, spool.chunks) == (
        count_of(windows=6, probes=60),
        2000,
        2,
    )
    assert spool.waiting == count_of(windows=6, probes=60)
    spool.close()
    again = open_spool(tmp_path / "s")
    assert (again.dropped["no_room"], again.waiting) == (
        count_of(windows=6, probes=60),
        count_of(windows=6, probes=60),
    )


def test_chunks_beyond_the_age_are_dropped(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s")
    spool.put([chunk(1)], 1)
    spool.put([chunk(2)], HOUR_NS)
    assert pending(spool) == [1, 2]
    spool.put([], HOUR_NS + 2)
    assert pending(spool) == [2]
    assert spool.dropped["too_old"] == count_of(windows=3, probes=30)


def test_refused_chunk_is_kept_but_not_sent_again_and_goes_first(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s", max_bytes=2500)
    spool.put([chunk(1), chunk(2)], HOUR_NS)
    spool.refuse(2, "malformed")
    assert pending(spool) == [1]
    assert (spool.dropped["refused"], spool.chunks) == (count_of(windows=3, probes=30), 2)
    spool.put([chunk(3)], HOUR_NS)
    assert pending(spool) == [1, 3]
    assert (total(spool.dropped.values()), spool.waiting) == (
        count_of(windows=3, probes=30),
        count_of(windows=6, probes=60),
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 900), st.integers(-HOUR_NS, HOUR_NS)),
        st.tuples(st.just("deliver"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("refuse"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("lose"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=20, deadline=None)
def test_what_was_given_is_delivered_waiting_or_dropped(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        spool, delivered = open_spool(Path(directory, "s"), max_bytes=2000), Count()
        for step, number, when_ns in steps:
            waiting = spool.pending(100, skip=frozenset())
            if step == "put":
                new = chunk(spool.next_sequence, start_ns=HOUR_NS + when_ns, size=number)
                spool.put([new], HOUR_NS)
            elif step == "lose":
                spool.put([], HOUR_NS, {"disk": count_of(windows=number, probes=2 * number)})
            elif step == "deliver":
                delivered = delivered.plus(total(one.count for one in waiting[:number]))
                spool.delete([one.sequence for one in waiting[:number]])
            elif step == "refuse" and len(waiting) > number:
                spool.refuse(waiting[number].sequence, "no")
            elif step == "reopen":
                spool.close()
                spool = open_spool(Path(directory, "s"), max_bytes=2000)
            known = total([delivered, spool.waiting, *spool.dropped.values()])
            assert known == spool.accounted
            assert spool.bytes <= 2000
            left = spool.pending(100, skip=frozenset())
            assert total(one.count for one in left) == spool.waiting
        spool.close()


def test_torn_log_of_a_power_cut_leaves_a_whole_prefix(tmp_path: Path) -> None:
    """What a disk holds after a cut: the log up to some byte, perhaps with rubbish behind it."""
    spool = open_spool(tmp_path / "s", 1 << 30)
    for number in range(1, 31):
        spool.put([chunk(number, size=3000)], HOUR_NS)
    file, log = (tmp_path / "s").read_bytes(), (tmp_path / "s-wal").read_bytes()
    spool.close()
    moments = random.Random(11)
    seen = set()
    for trial in range(25):
        end, torn = moments.randrange(len(log)), tmp_path / f"torn{trial}"
        torn.write_bytes(file)
        rubbish = moments.randbytes(2000) if trial % 2 else b""
        Path(f"{torn}-wal").write_bytes(log[:end] + rubbish)
        after = open_spool(torn, 1 << 30)
        kept = pending(after)
        assert kept == list(range(1, len(kept) + 1))
        assert (
            after.waiting
            == after.accounted
            == count_of(windows=3 * len(kept), probes=30 * len(kept))
        )
        assert after.next_sequence > len(kept)
        seen.add(len(kept))
        after.close()
    assert len(seen) > 5
