"""`isochrone export`: windows or rollups of a controller as a file, for the hand-over elsewhere."""

from __future__ import annotations

import asyncio
import pathlib
from typing import TYPE_CHECKING

import click

from controller.client.link import ControllerAddress
from controller.client.options import controller_options, past_options
from controller.commands.result_files import check_place, is_written_through, result_file
from foundation.errors import ResourceError
from foundation.reasons import reason_of
from foundation.text import Text, counted, language_of_environment
from probes.protocols.registry import protocol_names

if TYPE_CHECKING:
    from controller.export.formats import Format

TIMEOUT_S = 24 * 3600.0


@click.command("export")
@controller_options
@past_options
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    required=True,
    help="File format.",
)
@click.option("--results", default="windows", show_default=True, help="Kind of result.")
@click.option(
    "--level",
    type=click.Choice(["window", "minute", "hour", "day"]),
    default="window",
    show_default=True,
    help="Period that a row covers.",
)
@click.option("--path", help="Only this path.")
@click.option("--site", help="Only paths from or to this site.")
@click.option("--protocol", type=click.Choice(protocol_names()), help="Only this protocol.")
@click.option(
    "--output",
    type=click.Path(path_type=pathlib.Path, dir_okay=False, allow_dash=True),
    required=True,
    help="Output file, or - for standard output; it appears when it is complete.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite an existing file.")
def export(
    address: ControllerAddress,
    period: tuple[int, int],
    kind: Format,
    results: str,
    level: str,
    path: str | None,
    site: str | None,
    protocol: str | None,
    output: pathlib.Path,
    overwrite: bool,
) -> None:
    """Export the measurements of a period to a file."""
    query = {"from_ns": str(period[0]), "to_ns": str(period[1]), "format": kind, "kind": results}
    chosen = {"level": level, "path": path, "site": site, "protocol": protocol}
    query |= {name: value for name, value in chosen.items() if value is not None}
    check_place(output, "--output", overwrite=overwrite)
    size_bytes = asyncio.run(_fetch(address, query, kind, output, overwrite=overwrite))
    text = Text(f"{output}: {counted(size_bytes, 'byte')}", f"{output}：{size_bytes:,} 字节")
    click.echo(text.pick(language_of_environment()), err=is_written_through(output))


async def _fetch(
    address: ControllerAddress,
    query: dict[str, str],
    kind: Format,
    output: pathlib.Path,
    *,
    overwrite: bool,
) -> int:
    """Write the answer to `output`, where it is once it is whole; return its length."""
    from controller.client.calls import Calls
    from controller.export.formats import MEDIA

    try:
        async with Calls(address, TIMEOUT_S) as calls:
            return await calls.download(
                "/api/v1/export",
                query,
                MEDIA[kind],
                lambda: result_file(output, overwrite=overwrite),
            )
    except BrokenPipeError:
        raise  # whoever reads the output has seen enough
    except OSError as error:
        reason = reason_of(error)
        raise ResourceError(
            f"{output} cannot be written ({reason.en}); choose another --output.",
            f"无法写入 {output}（{reason.zh}）；请用 --output 指定其他文件。",
            file=str(output),
        ) from error
