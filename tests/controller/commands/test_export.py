"""`isochrone export`: the whole file or none, and never in the place of another."""

import asyncio
import pathlib
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.commands.export import export
from foundation.errors import IsochroneError, ResourceError
from tests.controller.conftest import Controller

FROM_NS, TO_NS = 1_799_971_200_000_000_000, 1_800_057_600_000_000_000
DAY = ("--from", "2027-01-15T00:00Z", "--to", "2027-01-16T00:00Z")
PATH = "nanjing.telecom.v4>suzhou.telecom.v4"


@pytest.fixture(autouse=True)
def _in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOCHRONE_LANG", "en")


async def run(controller: Controller, output: object, *more: str) -> Result:
    connector: Any = controller.session.connector
    words = ["--url", f"unix:{connector.path}", *DAY, "--format", "csv", "--output", str(output)]
    return await asyncio.to_thread(CliRunner().invoke, export, [*words, *more])


async def served(controller: Controller, **query: str) -> bytes:
    """Return what the API answers for the same day."""
    asked = {"from_ns": str(FROM_NS), "to_ns": str(TO_NS), "format": "csv"} | query
    async with controller.session.get("http://controller/api/v1/export", params=asked) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_command_writes_the_whole_file_or_none(
    measured: Controller, tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "out.csv"
    result = await run(measured, output)
    assert result.exit_code == 0, result.output
    assert output.read_bytes() == await served(measured)
    assert result.stdout == f"{output}: {output.stat().st_size:,} bytes\n"
    output.unlink()
    refused = await run(measured, output, "--path", "nope")
    assert isinstance(refused.exception, ResourceError)
    assert "There is no path named nope." in str(refused.exception)
    assert not await asyncio.to_thread(lambda: list(tmp_path.glob("*out*")))


@pytest.mark.parametrize(
    "chosen",
    [
        {"path": PATH},
        {"site": "router"},
        {"protocol": "icmp"},
        {"level": "minute"},
        {"format": "jsonl"},
    ],
)
async def test_what_is_chosen_is_what_is_exported(
    measured: Controller, tmp_path: pathlib.Path, chosen: dict[str, str]
) -> None:
    later_ns = measured.services.clock.wall_ns() + 3_600_000_000_000
    measured.services.store.rollups.roll_up(later_ns, 1000)
    output = tmp_path / "out"
    words = [word for name, value in chosen.items() for word in (f"--{name}", value)]
    assert (await run(measured, output, *words)).exit_code == 0
    assert output.read_bytes() == await served(measured, **chosen)
    assert output.read_bytes() != await served(measured)


async def test_to_standard_output_go_the_rows_alone(measured: Controller) -> None:
    result = await run(measured, "-")
    assert result.exit_code == 0
    assert result.stdout_bytes == await served(measured)
    assert result.stderr.endswith(f"{len(result.stdout_bytes):,} bytes\n")


async def test_a_file_that_is_there_is_overwritten_only_where_that_is_asked(
    measured: Controller, tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("mine", encoding="utf-8")
    refused = await run(measured, output)
    assert isinstance(refused.exception, IsochroneError)
    assert "--overwrite" in str(refused.exception)
    assert output.read_text(encoding="utf-8") == "mine"
    assert (await run(measured, output, "--overwrite")).exit_code == 0
    assert output.read_bytes() == await served(measured)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(
    tmp_path: pathlib.Path,
) -> None:
    output = str(tmp_path / "none" / "out.csv")
    words = ["--url", f"unix:{tmp_path}/nobody.sock", *DAY, "--format", "csv", "--output", output]
    result = CliRunner().invoke(export, words)
    assert isinstance(result.exception, ResourceError)
    assert "Cannot write into" in result.exception.text.en
    assert "--output" in result.exception.text.en


async def test_a_disk_that_is_full_is_told_with_the_file(measured: Controller) -> None:
    result = await run(measured, "/dev/full")
    assert isinstance(result.exception, ResourceError)
    assert "/dev/full cannot be written (No space left on device)" in result.exception.text.en
    assert "请用 --output" in result.exception.text.zh
    assert result.exception.fields["file"] == "/dev/full"
