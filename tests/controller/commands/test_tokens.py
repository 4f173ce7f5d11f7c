"""`isochrone controller init`, `token`, `revoke`: said once, kept as hashes, written down."""

import os
import pathlib

import pytest
from click.testing import CliRunner, Result

from controller.access.certificate_authority import load_authority
from controller.access.credential_store import CredentialStore
from controller.access.credentials import CredentialError
from controller.commands.controller import controller
from controller.commands.keys import opened_credential_store
from foundation.clock import SystemClock
from foundation.errors import ConfigError, ResourceError, UsageError
from isochrone import front_door
from messages.enrolment import parse_enrolment_token


def run(data: pathlib.Path, *words: str) -> Result:
    head = 2 if words[0] == "token" else 1
    arguments = [*words[:head], "--data", str(data), *words[head:]]
    result = CliRunner().invoke(controller, arguments, env={"ISOCHRONE_LANG": "en"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "data"


def credentials_of(data: pathlib.Path) -> CredentialStore:
    return CredentialStore(data, SystemClock())


def test_init_prints_the_admin_token_alone_and_once(data: pathlib.Path) -> None:
    token = run(data, "init", "--name", "controller.example").stdout.strip()
    credentials = credentials_of(data)
    assert credentials.identity_of_token(token).role == "admin"
    assert "controller.example" in load_authority(data, SystemClock()).hosts()
    credentials.close()
    with pytest.raises(ConfigError, match="already"):
        run(data, "init")


def test_init_with_names_again_renews_the_servers_certificate_alone(data: pathlib.Path) -> None:
    run(data, "init", "--name", "one.example")
    before = load_authority(data, SystemClock())
    assert run(data, "init", "--name", "two.example", "--name", "192.0.2.1").stdout == ""
    after = load_authority(data, SystemClock())
    assert after.fingerprint == before.fingerprint
    assert {"two.example", "192.0.2.1", "localhost"} <= set(after.hosts())
    assert "one.example" not in after.hosts()


def test_enrolment_token_is_for_one_agent_and_pins_the_authority(data: pathlib.Path) -> None:
    run(data, "init")
    text = run(data, "token", "create", "--enrol", "nanjing-1").stdout
    token = parse_enrolment_token(text)
    assert token.agent == "nanjing-1"
    assert token.fingerprint == load_authority(data, SystemClock()).fingerprint
    listed = run(data, "token", "list").stdout
    assert "enrol nanjing-1" in listed
    assert token.secret not in listed


def test_revoked_token_counts_no_more(data: pathlib.Path) -> None:
    run(data, "init")
    words = ("--role", "operator", "--label", "li", "--expires", "30d")
    text = run(data, "token", "create", *words).stdout.strip()
    run(data, "token", "revoke", text.split(".")[1])
    credentials = credentials_of(data)
    with pytest.raises(CredentialError, match="revoked"):
        credentials.identity_of_token(text)
    credentials.close()
    with pytest.raises(ConfigError, match="token list"):
        run(data, "token", "revoke", text.split(".")[1])


def test_everything_is_written_down_without_secrets(data: pathlib.Path) -> None:
    tokens = [run(data, "init").stdout, run(data, "token", "create", "--enrol", "a").stdout]
    run(data, "revoke", "a")
    credentials = credentials_of(data)
    found = credentials.audited(before_id=1 << 62, from_ns=0, to_ns=1 << 62, limit=10)
    assert [entry.action for entry in found] == ["revoke agent", "create token", "init"]
    assert all(entry.actor.startswith("command line of ") for entry in found)
    assert not [t for t in tokens for entry in found if t.split(".")[2].strip() in repr(entry)]
    credentials.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("token", "create"), "either"),
        (("token", "create", "--role", "viewer", "--enrol", "a"), "either"),
        (("token", "create", "--enrol", "A B"), "not a valid agent name"),
        (("token", "create", "--enrol", "a", "--expires", "0h"), "not understood"),
        (("token", "create", "--enrol", "a", "--expires", "soon"), "not understood"),
        (("revoke", "A B"), "not a valid agent name"),
    ],
)
def test_what_makes_no_sense_is_refused(
    data: pathlib.Path, words: tuple[str, ...], said: str
) -> None:
    run(data, "init")
    with pytest.raises(ConfigError, match=said):
        run(data, *words)


def test_tokens_need_an_authority_first(data: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="controller init"):
        run(data, "token", "create", "--role", "viewer")


@pytest.mark.parametrize("kind", [KeyError, OSError, ImportError])
def test_a_user_without_a_line_in_passwd_gets_his_token(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def unknown() -> str:
        raise kind("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    told = CliRunner().invoke(front_door, ["controller", "init", "--data", str(tmp_path / "d")])
    assert told.exit_code == 0, told.output
    with opened_credential_store(tmp_path / "d") as credentials:
        assert len(credentials.tokens()) == 1
        lines = credentials.audited(before_id=1 << 60, from_ns=0, to_ns=1 << 62, limit=10)
        assert {line.actor for line in lines} == {f"command line of uid {os.geteuid()}"}


def test_a_user_of_a_strange_name_gets_his_token(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"\xff\x1b[31m"))
    told = CliRunner().invoke(front_door, ["controller", "init", "--data", str(tmp_path / "d")])
    assert told.exit_code == 0, told.output


def test_nothing_secret_is_made_before_all_that_can_fail_has_passed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ResourceError("The disk is full.", "磁盘已满。")

    with monkeypatch.context() as patch:
        patch.setattr("controller.access.credential_store.CredentialStore.audit", full)
        told = CliRunner().invoke(front_door, ["controller", "init", "--data", str(tmp_path / "d")])
        assert told.exit_code == 1
        with opened_credential_store(tmp_path / "d") as credentials:
            assert credentials.tokens() == []
    words = ["controller", "token", "create", "--data", str(tmp_path / "d"), "--role", "admin"]
    with monkeypatch.context() as patch:
        patch.setattr("controller.access.credential_store.CredentialStore.audit", full)
        assert CliRunner().invoke(front_door, words).exit_code == 1
    with opened_credential_store(tmp_path / "d") as credentials:
        assert {token.state(0) for token in credentials.tokens()} <= {"revoked"}
    assert CliRunner().invoke(front_door, words).exit_code == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "https://ctl.example.org",
        "ctl.example.org:8780",
        "192.0.2.1:8780",
        "[2001:db8::1]",
        "a..b",
        "a.b..",
        ".",
        "-a.example",
        "ctl example",
        "*.example.org",
        "010.0.0.1",
        "1.2.3",
        "fe80::1%eth0",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "0x7f000001",
        "user@host",
        "a" * 64 + ".example",
        "x/y",
    ],
)
def test_what_is_no_host_is_not_certified(tmp_path: pathlib.Path, name: str) -> None:
    words = ["controller", "init", "--data", str(tmp_path / "d"), "--name", name]
    told = CliRunner().invoke(front_door, words)
    assert isinstance(told.exception, UsageError)
    assert "is not a host name or address" in told.exception.message("en")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("words", [("token", "list"), ("revoke", "a"), ("token", "revoke", "x")])
def test_mistyped_directory_is_not_made_and_is_told(
    tmp_path: pathlib.Path, words: tuple[str, ...]
) -> None:
    absent = tmp_path / "mistyped"
    with pytest.raises(ConfigError, match="no credentials"):
        run(absent, *words)
    assert not absent.exists()


def test_revoking_an_agent_that_never_was_says_so(data: pathlib.Path) -> None:
    run(data, "init")
    run(data, "token", "create", "--enrol", "nanjing")
    with pytest.raises(ConfigError, match="nanjng"):
        run(data, "revoke", "nanjng")
    for _ in range(2):  # whoever is revoked already may be revoked again
        run(data, "revoke", "nanjing")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--label", "a\nb  good  -  admin"),
        ("--label", "\x1b[31mred"),
        ("--label", "a\u202eb"),
        ("--label", "x" * 81),
        ("--expires", "999999d"),  # beyond all times
        ("--expires", "٣d"),
        ("--expires", "0h"),
    ],
)
def test_tokens_are_refused_what_could_not_be_listed(
    data: pathlib.Path, option: str, value: str
) -> None:
    run(data, "init")
    with pytest.raises(UsageError, match=option):
        run(data, "token", "create", "--role", "viewer", option, value)


def test_labels_of_other_programs_forge_no_line(data: pathlib.Path) -> None:
    run(data, "init")
    credentials = credentials_of(data)
    credentials.create_api_token("viewer", "a\nb\x1b[31m\u202e", None)
    credentials.close()
    lines = run(data, "token", "list").stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("viewer  a\ufffdb\ufffd[31m\ufffd")
