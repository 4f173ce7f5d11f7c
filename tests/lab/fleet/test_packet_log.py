"""The emulator's log: every packet once, in order of arrival, with what became of it."""

from pathlib import Path

import numpy as np

from lab.fleet.packet_log import HEAD_BYTES, LOST, OVERFLOWED, SEGMENT_ROWS, PacketLog, read_log


def test_a_row_says_what_came_what_was_asked_and_when_it_left(tmp_path: Path) -> None:
    log = PacketLog(tmp_path)
    frame = bytearray(range(200))
    gone = log.append(frame, (3, 4), 1000, 50, 0, waiting=True)
    lost = log.append(frame[:60], (4, 3), 2000, 0, LOST, waiting=False)
    stayed = log.append(frame, (3, 4), 3000, 50, 0, waiting=True)
    log.departed(gone, 1060)
    log.timestamped(gone, 1055)
    log.stayed(stayed, OVERFLOWED)
    log.close()
    rows = read_log(tmp_path)
    assert (gone, lost, stayed) == (0, 1, 2)
    assert rows["received_ns"].tolist() == [1000, 2000, 3000]
    assert rows["left_ns"].tolist() == [1055, 0, 0]
    assert rows["timestamped"].tolist() == [1, 0, 0]
    assert rows["outcome"].tolist() == [0, LOST, OVERFLOWED]
    assert rows["length"].tolist() == [200, 60, 200]
    assert rows["source"].tolist() == [3, 4, 3]
    assert bytes(rows["head"][0]) == bytes(frame[:HEAD_BYTES])
    assert bytes(rows["head"][1]) == bytes(frame[:60]).ljust(HEAD_BYTES, b"\0")


def test_rows_of_many_segments_are_read_in_order_and_none_is_missing(tmp_path: Path) -> None:
    log = PacketLog(tmp_path)
    count = 3 * SEGMENT_ROWS + 5
    frame = bytearray(60)
    for number in range(count):
        assert log.append(frame, (0, 1), number, 0, LOST, waiting=False) == number
    log.close()
    assert np.array_equal(read_log(tmp_path)["received_ns"], np.arange(count))


def test_a_segment_waits_for_its_packets_to_leave(tmp_path: Path) -> None:
    log = PacketLog(tmp_path)
    frame = bytearray(60)
    first = log.append(frame, (0, 1), 7, 0, 0, waiting=True)
    for number in range(3 * SEGMENT_ROWS):
        log.append(frame, (0, 1), number, 0, LOST, waiting=False)
    assert list(tmp_path.iterdir()) == []
    log.departed(first, 99)
    log.close()
    assert read_log(tmp_path)["left_ns"][0] == 99


def test_the_oldest_segments_go_where_the_disk_has_a_limit(tmp_path: Path) -> None:
    log = PacketLog(tmp_path, limit_bytes=1)  # two files at least
    for number in range(5 * SEGMENT_ROWS):
        log.append(bytearray(60), (0, 1), number, 0, LOST, waiting=False)
    log.close()
    kept = read_log(tmp_path)["received_ns"]
    assert 0 < len(kept) <= 2 * SEGMENT_ROWS
    assert kept[-1] == 5 * SEGMENT_ROWS - 1


def test_a_log_without_rows_is_empty(tmp_path: Path) -> None:
    PacketLog(tmp_path).close()
    assert len(read_log(tmp_path)) == 0
