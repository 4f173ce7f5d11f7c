"""The agent's configuration file: strict TOML, declared once.

docs/reference/agent-config.md tells every key; deploy/agent.toml is the commented sample.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from agent.measuring.local_addresses import read_local_addresses
from agent.policy.policy import Policy, PolicyConfig, ReflectorPolicyConfig
from foundation.errors import ConfigError
from foundation.input_files import read_input
from foundation.number_types import LARGEST
from foundation.text import Text
from foundation.toml_text import decoded, parse_toml
from messages.controller_url import is_https, socket_path
from messages.exchange import AgentName

_PROXY = r"^http://[^/\s]+/?$"
_CONTROLLER = r"^(https://[^/\s]+|unix:(//)?/[^/\s]\S*)/?$"


class ClockConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the owner vouches for about this machine's clock."""

    declared_bound_us: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    ptp: bool = False
    ptp_asymmetry_us: Annotated[float, msgspec.Meta(ge=0, le=1e6)] | None = None
    timestamp_shift_us: Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)] = 0.0


class SpoolConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is kept for a controller that cannot be reached."""

    max_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=LARGEST)] = 512 << 20
    max_age_s: Annotated[float, msgspec.Meta(ge=1, le=1e10)] = 7 * 86_400.0


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agent: its name, its controller, where it keeps its state."""

    name: AgentName
    controller: Annotated[str, msgspec.Meta(pattern=_CONTROLLER)]
    proxy: Annotated[str, msgspec.Meta(pattern=_PROXY)] | None = None
    state_dir: Annotated[str, msgspec.Meta(min_length=1)]
    clock: ClockConfig = msgspec.field(default_factory=ClockConfig)
    spool: SpoolConfig = msgspec.field(default_factory=SpoolConfig)
    policy: PolicyConfig = msgspec.field(default_factory=PolicyConfig)
    local_addresses: dict[str, str] = {}


_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "$": AgentConfig,
    "$.clock": ClockConfig,
    "$.spool": SpoolConfig,
    "$.policy": PolicyConfig,
    "$.policy.reflector": ReflectorPolicyConfig,
}
_HINTS = {
    "proxy": (
        'an address such as "http://proxy.example.net:3128"',
        '形如 "http://proxy.example.net:3128" 的地址',
    ),
    "name": (
        "lower-case letters, digits, dots and hyphens, at most 63",
        "只能包含小写字母、数字、点和连字符，最多 63 个字符",
    ),
    "controller": (
        'an address such as "https://10.0.0.1:8780" or "unix:/run/isochrone.sock"',
        '形如 "https://10.0.0.1:8780" 或 "unix:/run/isochrone.sock" 的地址',
    ),
}


def load_config(path: Path) -> AgentConfig:
    """Read the file. ConfigError names the file, the key and, for a slip, the nearest known key."""
    if not path.exists():
        raise ConfigError(
            f"There is no configuration file {path}; start from deploy/agent.toml.",
            f"配置文件 {path} 不存在；可从 deploy/agent.toml 开始编写。",
            file=str(path),
        )
    text = decoded(lambda: read_input(path), path, Text("configuration file", "配置文件"))
    return config_of(parse_toml(text, path), path)


def config_of(document: dict[str, Any], path: Path) -> AgentConfig:
    """Return the configuration in a TOML document that was read from `path`."""
    try:
        config = msgspec.convert(document, AgentConfig)
    except msgspec.ValidationError as error:
        raise _explained(str(error), path) from error
    if socket_path(config.controller) is None and not is_https(config.controller):
        raise _explained("Invalid value - at `$.controller`", path)
    try:
        Policy(config.policy)
    except ConfigError as error:
        text, fields = error.text, error.fields
        raise ConfigError(f"{path}: {text.en}", f"{path}：{text.zh}", **fields) from error
    local = read_local_addresses(config.local_addresses, path)
    return msgspec.structs.replace(config, local_addresses=local)


def _explained(problem: str, path: Path) -> ConfigError:
    """Return msgspec's complaint as a sentence about a key of the file."""
    what, _, where = problem.partition(" - at `")
    where = where.rstrip("`") or "$"
    if found := re.search(r"unknown field `([^`]*)`", what):
        return _unknown_key(found[1], where, path)
    if found := re.search(r"missing required field `([^`]*)`", what):
        key = _dotted(where, found[1])
        return ConfigError(
            f"{path}: the key {key!r} is missing; add it.",
            f"{path}：缺少配置项 {key!r}，请补充。",
            file=str(path),
            key=key,
        )
    key = _dotted(where)
    hint_en, hint_zh = _HINTS.get(key, (what, what))
    return ConfigError(
        f"{path}: {key!r} has a wrong value; expected {hint_en}."
        if key in _HINTS
        else f"{path}: {key!r} has a wrong value: {what}.",
        f"{path}：配置项 {key!r} 的值有误：{hint_zh}。",
        file=str(path),
        key=key,
    )


def _unknown_key(name: str, where: str, path: Path) -> ConfigError:
    key = _dotted(where, name)
    known = [
        _dotted(section, field.encode_name)
        for section, struct in _SECTIONS.items()
        for field in msgspec.structs.fields(struct)
    ]
    # The same word in another section is nearer than a like word in this one.
    same = [other for other in known if other.rpartition(".")[2] == name]
    near = same or difflib.get_close_matches(key, known, 1, 0.4)
    return ConfigError(
        f"{path}: unknown key {key!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
        f"{path}：未知的配置项 {key!r}。" + (f"是否应为 {near[0]!r}？" if near else ""),
        file=str(path),
        key=key,
        nearest=near[0] if near else None,
    )


def _dotted(where: str, name: str = "") -> str:
    return ".".join(part for part in (where.removeprefix("$").strip("."), name) if part)
