"""`isochrone controller stamp-keys`: what is said and written down, and that no secret is."""

import contextlib
import pathlib

import pytest
from click.testing import CliRunner

from controller.access.credential_store import CredentialStore
from controller.access.stamp_keyring import StampKeyring
from controller.commands.controller import controller
from foundation.clock import SystemClock


@pytest.mark.parametrize(("language", "says"), [("en", "Epoch 2"), ("zh", "第 2 期密钥")])
def test_rotation_is_told_listed_and_audited_without_a_secret(
    tmp_path: pathlib.Path, language: str, says: str
) -> None:
    def run(*words: str) -> str:
        command = ["stamp-keys", *words, "--data", str(tmp_path)]
        result = CliRunner().invoke(controller, command, env={"ISOCHRONE_LANG": language})
        assert result.exit_code == 0, result.output
        return result.output

    assert run("list") == ""
    run("rotate")
    said = run("rotate")
    assert says in said
    with contextlib.closing(StampKeyring(tmp_path, SystemClock())) as keyring:
        keyring.note_holder("nanjing", 2)
        keyring.note_holder("suzhou", 2)
        keyring.note_holder("wuxi", 1)
        epochs = keyring.epochs()
    listed = run("list")
    rows = [line.split() for line in listed.splitlines()]
    assert [(row[0], row[3], row[4]) for row in rows] == [
        ("1", "1", "rotation"),
        ("2", "2", "rotation"),
    ]
    assert [row[2] for row in rows] == [epoch.fingerprint for epoch in epochs]
    with contextlib.closing(CredentialStore(tmp_path, SystemClock())) as access:
        found = access.audited(before_id=1 << 62, from_ns=0, to_ns=1 << 62, limit=10)
    assert [(each.action, each.subject) for each in found] == [
        ("rotate stamp keys", "epoch 2"),
        ("rotate stamp keys", "epoch 1"),
    ]
    for epoch in epochs:
        assert epoch.secret.hex() not in said + listed + repr(found)
