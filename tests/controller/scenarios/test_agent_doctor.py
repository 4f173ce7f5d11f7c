"""An agent's doctor asks the controller itself whether the certificate still counts."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

from agent.config import load_config
from agent.doctor.controller_checks import (
    check_certificate,
    check_controller,
    refusal_by_controller,
)
from agent.doctor.examine import examine
from foundation.text import Text
from tests.controller.scenarios.enrolled_agent import enrolled


async def asked(file: pathlib.Path) -> Text | None:
    config = load_config(file)
    found, context = check_certificate(config)
    assert found is not None
    assert context is not None
    assert found.status == "ok"  # as far as this machine alone can tell
    assert (await check_controller(config, context)).status == "ok"
    return await refusal_by_controller(config, context)


async def test_certificate_that_counts_is_good(served: Any, tmp_path: pathlib.Path) -> None:
    assert await asked(await enrolled(served, tmp_path)) is None


async def test_revoked_certificate_is_not_good(served: Any, tmp_path: pathlib.Path) -> None:
    file = await enrolled(served, tmp_path)
    served[0].access.revoke_agent("nanjing")
    told = await asked(file)
    assert told is not None
    assert "revoked" in told.en
    assert "吊销" in told.zh
    (certificate,) = [one for one in await examine(file) if one.check == "certificate"]
    assert (certificate.status, certificate.text) == ("fail", told)  # and nothing says it is good


async def test_certificate_that_a_later_enrolment_ended_is_not_good(
    served: Any, tmp_path: pathlib.Path
) -> None:
    file = await enrolled(served, tmp_path)
    shutil.copytree(tmp_path / "state", tmp_path / "before")
    await enrolled(served, tmp_path)
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "before").rename(tmp_path / "state")
    told = await asked(file)
    assert told is not None
    assert "enrol" in told.en


async def test_the_doctor_opens_no_control_channel(served: Any, tmp_path: pathlib.Path) -> None:
    await asked(await enrolled(served, tmp_path))
    assert served[0].fleet.now().state("nanjing") == "never_seen"
