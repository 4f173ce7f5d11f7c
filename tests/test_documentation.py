"""The documentation is part of the product: what is not described, or leads nowhere, fails here."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import isochrone

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], key=lambda page: page.relative_to(ROOT)
)


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        full_name = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, full_name)
        else:
            yield full_name, command


COMMANDS = dict(_commands(isochrone.front_door, "isochrone"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_flag_stands_in_the_reference(name: str) -> None:
    reference = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    section = re.search(rf"^## `{name}[ `].*?(?=^## |\Z)", reference, re.MULTILINE | re.DOTALL)
    assert section, f"docs/reference/commands.md has no section for {name}"
    for parameter in COMMANDS[name].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if flag.startswith("--"):
                    assert f"`{flag}" in section[0], f"{name}: {flag} is not described"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'<img src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_decision_has_its_own_number() -> None:
    numbers = [page.name[:4] for page in ROOT.glob("docs/decisions/[0-9]*.md")]
    assert len(numbers) == len(set(numbers))


def test_every_direct_dependency_has_a_reason_in_the_decisions() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = project.split("dependencies = [", 1)[1].split("]", 1)[0]
    names = re.findall(r'"([a-z0-9-]+)', block)
    assert "numpy" in names
    decisions = "\n".join(
        page.read_text(encoding="utf-8").lower() for page in ROOT.glob("docs/decisions/[0-9]*.md")
    )
    assert [name for name in names if name not in decisions] == []
