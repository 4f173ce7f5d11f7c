"""A wrong configuration is one sentence that names the file, the key and what was meant."""

from pathlib import Path

import msgspec
import pytest

from agent.config import AgentConfig, ClockConfig, SpoolConfig, load_config
from agent.policy.policy import PolicyConfig, ReflectorPolicyConfig
from foundation.errors import ConfigError
from messages.controller_url import socket_path

ROOT = Path(__file__).parents[2]
GOOD = 'name = "nanjing-1"\ncontroller = "https://10.0.0.1:8780"\nstate_dir = "/var/lib/x"\n'


def load(tmp_path: Path, text: str) -> AgentConfig:
    path = tmp_path / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_defaults_hold_for_what_is_not_said(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert config.clock.declared_bound_us is None
    assert config.spool == SpoolConfig()


def test_integers_are_accepted_where_fractions_are(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD + "[clock]\ndeclared_bound_us = 1").clock.declared_bound_us == 1.0


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (GOOD + 'contoller = "x"', "contoller", "'controller'"),
        (GOOD + "[spool]\nmax_byte = 1", "spool.max_byte", "'spool.max_bytes'"),
        (GOOD + "declared_bound_us = 1", "declared_bound_us", "'clock.declared_bound_us'"),
        (GOOD + "[spool]\nmax_bytes = 1", "spool.max_bytes", "65536"),
        (GOOD + '[spool]\nmax_age_s = "long"', "spool.max_age_s", "float"),
        (GOOD.replace("nanjing-1", "Nanjing 1"), "name", "lower-case"),
        (GOOD.replace("https:", "http:"), "controller", "unix:/"),
        ('name = "a"\nstate_dir = "x"', "controller", "missing"),
    ],
)
def test_error_names_file_key_and_remedy(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.fields["key"] == key
    for sentence in (caught.value.text.en, caught.value.text.zh):
        assert "agent.toml" in sentence
        assert key in sentence
    assert words in caught.value.text.en


@pytest.mark.parametrize("address", ["unix:/run/i.sock", "unix:///run/i.sock"])
def test_a_socket_is_named_as_on_every_command_line(tmp_path: Path, address: str) -> None:
    config = load(tmp_path, GOOD.replace("https://10.0.0.1:8780", address))
    assert socket_path(config.controller) == "/run/i.sock"


@pytest.mark.parametrize("address", ["unix:", "unix://", "unix:run/i.sock", "unix://run/i.sock"])
def test_a_socket_without_a_path_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="unix:/run"):
        load(tmp_path, GOOD.replace("https://10.0.0.1:8780", address))


def test_missing_file_and_broken_toml_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"deploy/agent\.toml"):
        load_config(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="line 3"):
        load(tmp_path, "name = [1\n\n=")


def test_sample_file_is_valid_and_shows_every_key() -> None:
    path = ROOT / "deploy" / "agent.toml"
    load_config(path)
    text = path.read_text(encoding="utf-8")
    for struct in (AgentConfig, ClockConfig, SpoolConfig, PolicyConfig, ReflectorPolicyConfig):
        for field in msgspec.structs.fields(struct):
            assert field.encode_name in text


def test_reference_tells_every_key() -> None:
    text = (ROOT / "docs" / "reference" / "agent-config.md").read_text(encoding="utf-8")
    sections = (
        ("", AgentConfig),
        ("clock.", ClockConfig),
        ("spool.", SpoolConfig),
        ("policy.", PolicyConfig),
        ("policy.reflector.", ReflectorPolicyConfig),
    )
    for prefix, struct in sections:
        for field in msgspec.structs.fields(struct):
            if field.encode_name not in ("clock", "spool", "policy", "reflector"):
                assert f"`{prefix}{field.encode_name}`" in text
