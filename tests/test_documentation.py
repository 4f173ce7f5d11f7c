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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_section_finds_its_heading(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ours = [(link, anchor) for link, anchor in links if "://" not in link]
    assert [
        f"{link}#{anchor}"
        for link, anchor in ours
        if anchor not in _anchors((page.parent / link) if link else page)
    ] == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "guide", [p for p in PAGES if p.parent.name == "guides"], ids=lambda p: p.name
)
def test_every_guide_links_to_itself_in_the_other_language(guide: Path) -> None:
    name = guide.name.split(".")[0]
    other = f"{name}.md" if guide.name.endswith(".zh.md") else f"{name}.zh.md"
    assert (guide.parent / other).exists(), f"docs/guides/{guide.name} has no {other} beside it"
    head = guide.read_text(encoding="utf-8").split("\n\n## ")[0]
    assert f"]({other})" in head, f"docs/guides/{guide.name} does not link to {other} at its top"
    contents = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert f"](guides/{guide.name})" in contents, f"docs/README.md does not list {guide.name}"


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name.endswith(".zh.md")], ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_chinese_page_links_to_the_chinese_version_of_another(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
    itself = page.name.replace(".zh.md", ".md")
    english = [link for link in links if not link.endswith(".zh.md") and link != itself]
    assert [link for link in english if (page.parent / link).with_suffix(".zh.md").exists()] == []


def test_the_index_of_decisions_lists_every_topic_and_every_former_number_once() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    topics = {page.name for page in ROOT.glob("docs/decisions/*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == topics
    listed = re.findall(r"\b0\d{3}\b", index)
    taken_in = [
        number
        for topic in sorted(topics)
        for number in re.findall(
            r"Formerly (\d{4})\.", (ROOT / "docs/decisions" / topic).read_text(encoding="utf-8")
        )
    ]
    assert sorted(listed) == sorted(taken_in)
    assert len(listed) == len(set(listed))


def test_every_direct_dependency_has_a_reason_in_the_decisions() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = project.split("dependencies = [", 1)[1].split("]", 1)[0]
    names = re.findall(r'"([a-z0-9-]+)', block)
    assert "numpy" in names
    decisions = "\n".join(
        page.read_text(encoding="utf-8").lower() for page in ROOT.glob("docs/decisions/*.md")
    )
    assert [name for name in names if name not in decisions] == []
