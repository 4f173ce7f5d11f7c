"""Results of long measurements: kept, and told where they are."""

import contextlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys

import pytest

from controller.commands.result_files import (
    check_folder,
    check_place,
    keep_earlier,
    result_file,
    write_result,
)
from foundation.errors import ConfigError, ResourceError


def test_an_earlier_result_of_the_same_name_is_kept_beside_the_new_one(tmp_path):
    path = tmp_path / "autumn.html"
    assert keep_earlier(path) is None
    write_result(path, b"first")
    earlier = keep_earlier(path)
    write_result(path, b"second")
    assert earlier.read_bytes() == b"first"
    assert path.read_bytes() == b"second"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_result_that_cannot_be_written_where_it_should_be_is_written_elsewhere(tmp_path):
    with pytest.raises(ResourceError) as caught:
        write_result(tmp_path / "gone" / "autumn.html", b"page")
    elsewhere = pathlib.Path(caught.value.fields["file"])
    assert str(elsewhere) in caught.value.text.en
    assert elsewhere.read_bytes() == b"page"
    elsewhere.unlink()


def test_a_place_that_cannot_be_written_is_told_before_measuring(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResourceError, match=r"Cannot write into .*--json"):
        check_folder(tmp_path / "none", "--json")
    with pytest.raises(ResourceError, match=r"Cannot write into .*--out"):
        check_folder(tmp_path / "file" / "out", "--out", make=True)


def test_device_is_written_through_and_stays_a_device(tmp_path):
    device = tmp_path / "null"
    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    check_place(device, "--output")
    write_result(device, b"page")
    assert stat.S_ISCHR(device.stat().st_mode)
    assert list(tmp_path.iterdir()) == [device]


def test_pipe_is_written_through_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_result(pipe, b"page")
    assert os.read(reader, 100) == b"page"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("there", [True, False])
def test_link_stays_a_link_and_its_file_has_the_content(tmp_path, there):
    (tmp_path / "kept").mkdir()
    file, link = tmp_path / "kept" / "page", tmp_path / "link"
    if there:
        file.write_bytes(b"before")
    link.symlink_to(file)
    write_result(link, b"page")
    assert link.is_symlink()
    assert file.read_bytes() == b"page"


@pytest.mark.parametrize("how", ["loop", "socket"])
def test_links_in_a_circle_and_sockets_are_told_before_measuring_and_the_result_is_kept(
    tmp_path, how
):
    path = tmp_path / "out.html"
    if how == "loop":
        path.symlink_to(path)
    else:
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(path))
        bound.close()
    with pytest.raises(ResourceError, match="--output") as told:
        check_place(path, "--output", overwrite=True)
    assert "out.html" in told.value.text.zh
    with pytest.raises(ResourceError) as caught:
        write_result(path, b"page")
    elsewhere = pathlib.Path(caught.value.fields["file"])
    assert elsewhere.read_bytes() == b"page"
    elsewhere.unlink()
    assert path.is_symlink() or path.is_socket()


def test_folder_is_no_place_for_a_result(tmp_path):
    with pytest.raises(ResourceError) as caught:
        write_result(tmp_path, b"page")
    assert pathlib.Path(caught.value.fields["file"]).read_bytes() == b"page"
    pathlib.Path(caught.value.fields["file"]).unlink()
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path):
    file = tmp_path / "page"
    file.write_bytes(b"before")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="--overwrite"):
        check_place(file, "--json")
    with pytest.raises(ConfigError, match="--overwrite"), result_file(file, overwrite=False):
        pass
    assert file.read_bytes() == b"before"
    check_place(file, "--json", overwrite=True)
    with result_file(file) as result:
        result.write(b"after")
    assert file.read_bytes() == b"after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "page"
    file.write_bytes(b"before")
    with contextlib.suppress(KeyboardInterrupt), result_file(file) as result:
        result.write(b"half")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_dash_is_standard_output(capfdbinary):
    check_place(pathlib.Path("-"), "--output")
    write_result(pathlib.Path("-"), b"page")
    assert capfdbinary.readouterr().out == b"page"


WRITER = """
import pathlib, sys
from controller.commands.result_files import result_file
with result_file(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_program_leaves_no_unfinished_file(
    tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-P", "-c", WRITER, str(tmp_path / "november.csv")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        writer.send_signal(number)
        assert writer.wait(30) == -number
    assert list(tmp_path.iterdir()) == []
