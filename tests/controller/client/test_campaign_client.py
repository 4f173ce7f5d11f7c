"""What campaign commands ask a controller: its answers, and refusals by lines of the file."""

import pathlib

import pytest

from controller.campaigns.campaign_file import Campaign, load_campaign
from controller.client.campaign_client import CampaignClient
from controller.client.link import ControllerAddress
from controller.documents.campaign_schema import CampaignDocument
from foundation.errors import ConfigError, ResourceError
from tests.controller.commands.test_campaign import FILE
from tests.controller.conftest import Controller, SetClock

BEGIN_NS = 1_800_000_100_000_000_000  # `begin` in the file


@pytest.fixture
def client(controller: Controller, tmp_path: pathlib.Path) -> CampaignClient:
    return CampaignClient(ControllerAddress(f"unix:{tmp_path / 'api.sock'}"))


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "v.toml"


def written(file: pathlib.Path, text: str = FILE) -> Campaign:
    file.write_text(text, encoding="utf-8")
    return load_campaign(file)


async def create(client: CampaignClient, file: pathlib.Path, text: str = FILE) -> CampaignDocument:
    return await client.create(written(file, text), file)


async def test_what_a_campaign_would_send_is_told_and_creates_none(
    client: CampaignClient, file: pathlib.Path
) -> None:
    load = await client.load(written(file), file)
    assert (load.streams, load.streams_added, load.streams_faster) == (2, 2, 0)
    assert load.packets_per_s == pytest.approx(100)
    assert await client.campaigns() == []


async def test_a_campaign_is_created_listed_shown_and_cancelled(
    client: CampaignClient, file: pathlib.Path
) -> None:
    created = await create(client, file)
    assert (created.name, created.state, created.from_ns) == ("voice", "scheduled", BEGIN_NS)
    assert created.to_ns - created.from_ns == 60_000_000_000
    await create(client, file, FILE.replace('"voice"', '"later"'))
    assert [one.name for one in await client.campaigns()] == ["voice", "later"]
    assert (await client.cancel("voice")).state == "cancelled"
    assert (await client.campaign("voice")).state == "cancelled"
    assert (await client.campaign("later")).state == "scheduled"


async def test_a_report_is_the_page_that_was_kept(
    client: CampaignClient, file: pathlib.Path, controller: Controller, clock: SetClock
) -> None:
    await create(client, file)
    with pytest.raises(ResourceError, match="no report yet"):
        await client.report("voice")
    clock.now_ns = BEGIN_NS
    await controller.services.scheduler.look()
    clock.now_ns += 60_000_000_000
    await controller.services.scheduler.look()
    (record,) = controller.services.campaigns.records.values()
    await controller.services.reporting.report(record)
    page = (await client.report("voice")).decode()
    assert page.lstrip().startswith("<!doctype html>")
    assert "Voice" in page


async def test_what_the_controller_refuses_is_named_by_the_lines_of_the_file(
    client: CampaignClient, file: pathlib.Path
) -> None:
    with pytest.raises(ConfigError) as unknown:
        await create(client, file, FILE.replace('"suzhou"', '"suzhuo"'))
    said = "v.toml:12: no site is called `suzhuo`; did you mean `suzhou`?"
    assert said in unknown.value.text.en
    assert "v.toml:12：" in unknown.value.text.zh
    with pytest.raises(ConfigError) as fast:
        await create(client, file, FILE.replace("interval_ms = 20", "interval_ms = 1"))
    assert "v.toml:7" in fast.value.text.en
    assert "pair_packets_per_s" in fast.value.text.en
    with pytest.raises(ConfigError, match=r"v\.toml:7.*pair_packets_per_s"):
        await client.load(load_campaign(file), file)
    assert await client.campaigns() == []


async def test_the_first_line_is_found_behind_the_mark_that_an_editor_put_before_it(
    client: CampaignClient, file: pathlib.Path
) -> None:
    with pytest.raises(ConfigError, match=r"v\.toml:1: no target is called `circle`"):
        await create(client, file, '\ufefftargets = ["circle"]' + FILE)


async def test_a_refusal_that_names_no_key_is_the_controllers_own_sentence(
    client: CampaignClient, file: pathlib.Path, clock: SetClock
) -> None:
    await create(client, file)
    with pytest.raises(ResourceError, match="choose another name"):
        await create(client, file)
    clock.now_ns = BEGIN_NS + 3_600_000_000_000
    with pytest.raises(ResourceError, match=r"refused: .*not in the past") as refused:
        await create(client, file)
    assert refused.value.fields["status"] == 422


async def test_one_that_there_is_not_is_told_for_each_question(client: CampaignClient) -> None:
    for ask in (client.campaign, client.cancel, client.report):
        with pytest.raises(ResourceError, match="nowhere"):
            await ask("nowhere")


async def test_a_report_that_is_no_page_is_no_report(
    controller: Controller, tmp_path: pathlib.Path
) -> None:
    """Its route leads elsewhere: the answer is a success, and JSON."""
    client = CampaignClient(ControllerAddress(f"unix:{tmp_path / 'api.sock'}"))
    with pytest.raises(ResourceError, match="application/json, not text/html"):
        await client.report("../health#")
