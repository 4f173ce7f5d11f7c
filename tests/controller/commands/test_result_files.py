"""Results of long measurements: kept, and told where they are."""

import pathlib

import pytest

from controller.commands.result_files import check_folder, keep_earlier, write_result
from probes.errors import ResourceError


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
