"""Files that somebody names: read whole, or refused at once where they have no end."""

import errno
import os
import threading
from pathlib import Path

import pytest

from foundation.input_files import read_input
from foundation.reasons import reason_of


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"x", b"many" * 999_999):
        path.write_bytes(content)
        assert read_input(path) == content


def test_a_pipe_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe") as caught:
        read_input(tmp_path / "pipe")
    assert reason_of(caught.value).en == "it is a pipe that nobody writes to"


def test_what_somebody_writes_into_a_pipe_is_read_whole() -> None:
    reads, writes = os.pipe()
    content = b"x" * 300_000

    def write() -> None:
        with os.fdopen(writes, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_input(Path(f"/dev/fd/{reads}")) == content
    thread.join()
    os.close(reads)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_without_an_end_is_too_large(device: str) -> None:
    with pytest.raises(OSError, match="large") as caught:
        read_input(Path(device), most=1 << 20)
    assert caught.value.errno == errno.EFBIG


def test_other_faults_are_the_systems(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, number in (("none", errno.ENOENT), ("loop", errno.ELOOP), (".", errno.EISDIR)):
        with pytest.raises(OSError, match=r".") as caught:
            read_input(tmp_path / name)
        assert caught.value.errno == number
