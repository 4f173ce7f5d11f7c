"""Why the system refused something, as parts of sentences in both languages."""

import errno
import ssl
from pathlib import Path

import aiohttp
import pytest

from foundation.reasons import reason_of


def test_a_missing_file_is_told_in_both_languages() -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        Path("/nowhere/at/all").read_text(encoding="utf-8")
    reason = reason_of(caught.value)
    assert (reason.en, reason.zh) == ("No such file or directory", "文件或目录不存在")


def test_a_fault_of_tls_is_not_taken_for_the_systems_of_the_same_number() -> None:
    error = ssl.SSLError(errno.EPERM, "certificate verify failed")
    assert reason_of(error).zh == "certificate verify failed"


def test_a_name_that_cannot_be_resolved_keeps_the_resolvers_words() -> None:
    assert reason_of(OSError(-2, "Name or service not known")).en == "Name or service not known"


def test_what_is_not_text_is_told_as_such() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff\xfe".decode("utf-8")
    assert reason_of(caught.value).en == "it is not UTF-8 text"


async def test_a_refused_connection_is_told_without_the_librarys_inner_words(
    tmp_path: Path,
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(f"{tmp_path}/no")) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("http://unix/")
    assert reason_of(caught.value).zh == "文件或目录不存在"
