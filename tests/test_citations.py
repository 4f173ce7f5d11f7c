"""What comments, docstrings and pages cite is there: documents, sections, RFCs and modules."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = (
    *("agent", "bench", "controller", "foundation", "lab", "messages"),
    *("probes", "tests", "topology", "tui"),
)
SOURCES = sorted(
    [ROOT / "isochrone.py", *(p for room in ROOMS for p in ROOT.glob(f"{room}/**/*.py"))]
)
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if page.name != "CHANGELOG.md"  # reports modules as they were called then
)

_ROOM = "|".join(ROOMS)
DOCUMENT = re.compile(r"\bdocs/[\w./-]+\.md(?:#([\w-]+))?((?:,? §[\d.]+)*)")
FOREIGN_DOCUMENT = re.compile(r"\b[A-Z]{4,} (?:§[\dA-Z]|[A-Z]\.\d)|(?<!/)\b[A-Z]{4,}\.md\b")
RFC = re.compile(r"\bRFC (\d+)")
RFC_SECTIONS = re.compile(r"\bRFC (\d+),? (§[\d.]*\d(?:(?:,| and) §[\d.]*\d)*)")
LISTED_SECTIONS = re.compile(r"^\| RFC (\d+) \| (§.+) \|$", re.MULTILINE)
FORMER_NUMBER = re.compile(r"\bdecisions? (0\d{3})\b")
MODULE_PATH = re.compile(rf"(?<![\w/.])((?:{_ROOM})/[\w/]+\.py)\b")
FOLDER = re.compile(rf"`((?:{_ROOM})/(?:[a-z0-9_]+/)*)`")
COMMENT_BLOCK = re.compile(r"(?:^.*#.*\n?)+", re.MULTILINE)
DOTTED_NAME = re.compile(rf"`((?:{_ROOM})(?:\.\w+)+)`")


def test_documents_that_are_cited_exist_with_the_section_that_is_named() -> None:
    assert [fault for place, text in _texts() for fault in _document_faults(place, text)] == []


def test_nothing_is_cited_from_documents_outside_the_tree() -> None:
    cited = [(place, m[0]) for place, text in _remarks() for m in FOREIGN_DOCUMENT.finditer(text)]
    assert cited == []


def test_every_rfc_that_is_cited_is_among_the_sources() -> None:
    assert (
        sorted({f"RFC {n}" for _, text in _remarks() for n in RFC.findall(text)} - _sources()) == []
    )


def test_every_section_of_an_rfc_that_is_cited_is_among_those_that_were_checked() -> None:
    checked = set(_sections_checked())
    assert len(checked) > 50
    cited = {(place, section) for place, text in _texts() for section in _rfc_sections(text)}
    assert sorted((place, section) for place, section in cited if section not in checked) == []
    assert sorted(checked - {section for _, section in cited}) == []


def test_a_section_is_cited_in_a_file_that_names_its_document() -> None:
    with_sections = {place for place, text in _remarks() if "§" in text}
    with_documents = {
        place for place, text in _remarks() if re.search(r"\bRFC \d|Y\.1540|measurement\.md", text)
    }
    assert sorted(with_sections - with_documents) == []


def test_decisions_are_cited_by_topic_and_not_by_their_former_numbers() -> None:
    assert [(place, m[0]) for place, text in _texts() for m in FORMER_NUMBER.finditer(text)] == []


def test_every_module_that_is_named_exists() -> None:
    paths = [(place, m[1]) for place, text in _texts() for m in MODULE_PATH.finditer(text)]
    assert [(place, path) for place, path in paths if not (ROOT / path).is_file()] == []
    folders = [(place, m[1]) for place, text in _texts() for m in FOLDER.finditer(text)]
    assert [(place, folder) for place, folder in folders if not (ROOT / folder).is_dir()] == []
    names = [
        (place, m[1])
        for place, text in _texts()
        if not place.startswith("docs/reference/")  # names of events look like those of modules
        for m in DOTTED_NAME.finditer(text)
    ]
    assert [(place, name) for place, name in names if not _is_ours(name)] == []


def test_what_is_not_there_is_found_out() -> None:
    """The nets hold: each of these would be reported."""
    assert _document_faults("x", "see docs/concepts/measurement.md §4.2, §9.9")
    assert _document_faults("x", "see docs/concepts/nowhere.md")
    assert _document_faults("x", "see docs/decisions/sending.md#no-such-section")
    assert not _document_faults("x", "see docs/concepts/measurement.md §4.2, §4.3")
    assert not _document_faults("x", "see docs/decisions/sending.md#groups")
    assert FOREIGN_DOCUMENT.search("as in MEASUREMENT D.2")
    assert FOREIGN_DOCUMENT.search("DESIGN §7")
    assert list(_rfc_sections("RFC 8762 §4.2.2, §4.3.2 and §5.")) == [
        *("RFC 8762 §4.2.2", "RFC 8762 §4.3.2", "RFC 8762 §5"),
    ]
    assert not _is_ours("probes.engine.nobody")
    assert not _is_ours("probes.stream.NoSuchName")
    assert _is_ours("probes.stream.TypeP")


def _rfc_sections(text: str) -> Iterator[str]:
    """Yield each `RFC n §x` of a text, also the later ones of `RFC n §x, §y and §z`."""
    for number, sections in RFC_SECTIONS.findall(text):
        yield from (f"RFC {number} §{section}" for section in re.findall(r"[\d.]*\d", sections))


def _sections_checked() -> Iterator[str]:
    page = (ROOT / "docs/concepts/measurement.md").read_text(encoding="utf-8")
    for number, sections in LISTED_SECTIONS.findall(page):
        yield from (f"RFC {number} {one}" for one in re.findall(r"§[\d.]*\d(?= )", sections))


def _document_faults(place: str, text: str) -> list[str]:
    faults = []
    for match in DOCUMENT.finditer(text):
        page = ROOT / match[0].split("#")[0].split(",")[0].split(" ")[0]
        if not page.is_file():
            faults.append(f"{place}: {match[0]}: no such page")
            continue
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        if match[1] and match[1] not in {_anchor(heading) for heading in headings}:
            faults.append(f"{place}: {match[0]}: no such section")
        numbers = {heading.split(" ")[0].rstrip(".") for heading in headings}
        missing = set(re.findall(r"§([\d.]*\d)", match[2])) - numbers
        faults += [f"{place}: {page.name} has no §{number}" for number in sorted(missing)]
    return faults


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _sources() -> set[str]:
    pages = [ROOT / "docs/concepts/measurement.md", ROOT / "docs/concepts/glossary.md"]
    texts = [page.read_text(encoding="utf-8") for page in pages if page.is_file()]
    listed = {f"RFC {number}" for text in texts for number in RFC.findall(text)}
    for text in texts:  # "RFC 2330, 2681, 3393"
        for several in re.findall(r"RFC (\d+(?:, \d+)+)", text):
            listed |= {f"RFC {number}" for number in several.split(", ")}
    return listed


def _is_ours(name: str) -> bool:
    """Whether a dotted name is a room, a package, a module, or something that a module defines."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        module = place.with_suffix(".py") if not place.is_dir() else place / "__init__.py"
        if place.is_dir() and length == len(parts):
            return True
        if module.is_file():
            source = module.read_text(encoding="utf-8")
            return all(re.search(rf"\b{part}\b", source) for part in parts[length:])
    return False


def _texts() -> list[tuple[str, str]]:
    """What people read about the code: comments, docstrings, pages."""
    pages = [(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8")) for page in PAGES]
    return _remarks() + pages


@functools.cache
def _remarks() -> list[tuple[str, str]]:
    """Comments, those of neighbouring lines as one, and docstrings, each as one line of text."""
    return [remark for remark in _each_remark() if remark[1]]


def _each_remark() -> Iterator[tuple[str, str]]:
    for source in SOURCES:
        if source == Path(__file__):
            continue
        text = source.read_text(encoding="utf-8")
        place = str(source.relative_to(ROOT))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield place, " ".join((ast.get_docstring(node) or "").split())
        for block in COMMENT_BLOCK.findall(text):
            yield place, " ".join(re.sub(r"^.*?# ?", "", line) for line in block.splitlines())
