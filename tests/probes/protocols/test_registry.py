"""Probe protocols are described in one place, and nobody else asks which one it is."""

from __future__ import annotations

import ast
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from probes.protocols.registry import (
    names_by_rank,
    protocol_names,
    protocol_of,
    protocols,
    register,
)
from probes.stream import ProtocolName, TypeP

ROOT = Path(__file__).parents[3]
ROOMS = ("agent", "controller", "foundation", "lab", "messages", "probes", "topology", "tui")


def product_modules() -> Iterator[tuple[str, ast.Module]]:
    for path in [
        ROOT / "isochrone.py",
        *(p for room in ROOMS for p in (ROOT / room).rglob("*.py")),
    ]:
        name = str(path.relative_to(ROOT))
        if not name.startswith("probes/protocols/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_called_protocol(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return "protocol" in name.lower()


def strings_in(node: ast.expr) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def branches_on_protocol(node: ast.AST) -> bool:
    """Tell whether a piece of code compares something called protocol with a literal, looks it up
    in a table of literals, or asks a codec or a channel of which kind it is."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return any(map(is_called_protocol, sides)) and any(map(strings_in, sides))
    if isinstance(node, ast.Match):
        return is_called_protocol(node.subject)
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Dict) and is_called_protocol(node.slice)
    if isinstance(node, ast.Dict):
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
        return len(keys & set(protocol_names())) > 1
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        asks = node.func.id == "isinstance" and len(node.args) == 2
        return asks and ast.unparse(node.args[1]).endswith(("Codec", "Channel"))
    return False


def test_no_module_outside_branches_on_a_protocol() -> None:
    found = {
        f"{name}:{node.lineno}"
        for name, module in product_modules()
        for node in ast.walk(module)
        if isinstance(node, ast.expr | ast.Match) and branches_on_protocol(node)
    }
    assert found == set()


@pytest.mark.parametrize(
    "code",
    [
        'kind.protocol == "udp"',
        'protocol in ("udp", "tcp")',
        '{"icmp": 1, "udp": 2}[protocol]',
        'LIMITS = {"icmp": 1, "udp": 2}',
        "isinstance(channel.codec, SynCodec)",
        'match kind.protocol:\n    case "udp":\n        pass',
    ],
)
def test_what_branches_on_a_protocol_is_seen(code: str) -> None:
    nodes = ast.walk(ast.parse(code))
    assert any(branches_on_protocol(node) for node in nodes)


def test_every_protocol_can_be_opened_and_is_described_in_both_languages() -> None:
    for each in protocols():
        assert callable(pkgutil.resolve_name(each.opener))
        said = [each.title, each.standard, each.dscp_changed_back, each.size_help]
        said += [told.text for told in (each.unanswered, each.nothing_listens) if told]
        assert all(text.en and text.zh for text in said)
        assert each.payload_bytes(0) == each.sizes().least <= each.sizes().usual
        assert each.payload is None or each.sizes(authenticated=each.authenticates).usual > 0


def test_schemas_name_every_protocol() -> None:
    assert get_args(ProtocolName) == protocol_names()
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        msgspec.json.decode(b'{"protocol": "ipx", "ip_version": 4}', type=TypeP)


def test_no_two_protocols_have_one_name_or_one_rank() -> None:
    assert sorted(names_by_rank()) == sorted(set(protocol_names()))
    assert len({each.rank for each in protocols()}) == len(protocols())
    with pytest.raises(RuntimeError, match="two probe protocols are called udp"):
        register(protocol_of("udp"))


def test_protocol_that_comes_after_the_schemas_is_refused() -> None:
    with pytest.raises(RuntimeError, match="after schemas were made"):
        register(replace(protocol_of("icmp"), name="late"))
    assert "late" not in protocol_names()


def test_a_description_is_data_alone_and_loads_no_socket_and_no_codec() -> None:
    code = "import sys, probes.stream; print(sorted(sys.modules))"
    command = [sys.executable, "-P", "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    heavy = ("numpy", "probes.sockets", "probes.channels", "probes.engine", "opening", "codec'")
    assert not [name for name in heavy if name in done.stdout]
