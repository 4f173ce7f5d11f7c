"""One vocabulary: words that docs/concepts/glossary.md retired stay out of names and sentences."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import isochrone
from controller.api.openapi import openapi_document
from controller.api.routes import ROUTES

ROOT = Path(__file__).parent.parent
ROOMS = (
    *("foundation", "messages", "probes", "topology", "agent", "controller", "lab", "tui"),
    *("bench", "tests", "docs", "deploy"),
)
GLOSSARY = ROOT / "docs/concepts/glossary.md"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "pyproject.toml")

# A word of a name (of a module, class, function, argument, attribute, field), and what it is now.
RETIRED_NAMES = {
    "fate": "outcome",
    "fates": "outcomes",
    "stray": "spurious",
    "strays": "spurious",
    "lateness": "send lag",
    "stamps": "timestamps, or STAMP keys",
    "stamped": "timestamped",
    "stamping": "timestamping",
    "hasty": "user-stamped",
    "bell": "wake-up descriptor",
    "rouse": "wake up",
    "book": "counters, keyring, store, registry, schedule",
    "departures": "TX timestamps",
    "counterparts": "reference paths",
    "remedy": "remediation",
    "remedies": "remediation",
    "standing": "permanent, state, seniority",
    "culprits": "failing rows",
    "rival": "duplicate",
    "rivals": "duplicates",
    "namesakes": "duplicates",
    "vantage": "probe source",
    "upkeep": "maintenance",
    "handful": "batch",
    "handfuls": "batches",
    "thrifty": "compact",
    "thinning": "design effect",
    "thinned": "effective",
    "keeper": "scheduler",
    "remembering": "warm start",
    "wanting": "reasons",
    "entitled": "seniority",
    "oddities": "nonconforming",
}
RETIRED_MODULES = {"gather", "needs", "terms", "ground"}
# A sentence may not contain; what to write instead. STAMP in capitals is the protocol.
RETIRED_SENTENCES = {
    r"\b[Ff]ates?\b": "outcome",
    r"\b[Ss]trays?\b": "spurious",
    r"\b[Ww]aiting limits?\b": "waiting time",
    r"\b[Ll]ateness\b": "send lag",
    r"\btime[ -]stamp(s|ed|ing)?\b": "timestamp",
    r"(?<![\w./-])(?:un)?stamp(?:s|ed|ing)\b": "timestamp",
    r"\b(?:departure|transmit|receive|arrival|kernel|wall) stamp\b": "TX or RX timestamp",
    r"\bstanding (?:stream|mesh)": "permanent",
    r"\b[Nn]amesakes?\b": "duplicate agent",
    r"\b[Uu]pkeep\b": "maintenance",
    r"\b(?:the|a|what) remed(?:y|ies) of\b": "remediation",
    r"\bwhat is wanting\b": "the reasons",
    r"\b(?:is|are) thinned\b": "divided by the design effect",
    r"\bkeeps? (?:its|their) (?:latency )?circles?\b": "meets its latency targets",
    r"\bproves? the answer\b": "with statistical evidence",
    r"\b(?:[Oo]ne|[Oo]bject|[Aa]rray|[Ee]ntry|[Rr]ow) a (?:line|target|row|path)\b": "one per",
    r"\bmeasur\w+ more than it does anyway\b": "extra streams",
    r"\btold of, and it goes on\b": "refused and reported; the last valid plan stays in force",
    r"\banew\b": "again, afresh; rebuilt",
    r"\b[Tt]ells of\b": "reports",
    r"\b(?:refused|alone) and told\b": "refused and reported",
    r"\b[Tt]he [a-z]+ of before\b(?! an?\b)": "the previous",
    r"\b[Oo]ddit(?:y|ies)\b": "nonconformity",
    r"\b(?:bears|bore)\b": "carries",
    r"\b[Mm]end(?:s|ing|ed)?\b": "fix, correct",
    r"\brests? on\b": "is based on",
    r"\b(?:is|are|was|were|be) let in\b": "is admitted",
    r"\bgoes on(?! (?:the|a|top|disk|one|its|that|it)\b)": "continues",
    r"\b[Oo]utlive[sd]?\b": "survives",
    r"\bbooked\b": "counted",
    r"\b(?:stands|stand) (?:in|beside|between)\b": "is in, is beside",
    r"\bcannot be listened on\b": "cannot listen on",
    r"; (?:look at|mend)\b": "check, correct",
    r"\b\d+ (?:probes|packets|bytes|bits) a (?:second|minute|hour|day|chunk|row|window)\b": "per",
}
ANY_RETIRED = re.compile("|".join(f"(?:{old})" for old in RETIRED_SENTENCES))
# What a line says in its everyday meaning.
EVERYDAY = ("declares 2 µs: all", "it stands beside the judged reading", "a window stored (42.9)")
SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> set[str]:
    """Return the words of a name in snake_case or CamelCase."""
    return {word.lower() for word in SPLIT.findall(name)}


def retired_in_name(name: str) -> set[str]:
    """Return the retired words in a name; `stamps` alone, `STAMP` is the protocol."""
    return words_of(name) & RETIRED_NAMES.keys()


def retired_in_sentence(line: str) -> list[str]:
    """Return what to write instead of what is retired in a line."""
    if not ANY_RETIRED.search(line) or any(word in line for word in EVERYDAY):
        return []
    return [new for old, new in RETIRED_SENTENCES.items() if re.search(old, line)]


def names_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what a module names, and where; what it only calls is named elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def _files() -> dict[str, list[Path]]:
    """The texts of each room; those of the root folder under its own name, the dot."""
    suffixes = {".py", ".md", ".toml", ".html", ".service"}
    rooms = {
        room: sorted(path for path in (ROOT / room).rglob("*") if path.suffix in suffixes)
        for room in ROOMS
    }
    return {".": [ROOT / "isochrone.py", *PAGES]} | rooms


FILES = _files()


def _where(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", FILES)
def test_no_name_has_a_retired_word(room: str) -> None:
    modules = [path for path in FILES[room] if path.suffix == ".py" and path != Path(__file__)]
    assert [fault for path in modules for fault in _faults_of_names(path)] == []


def _faults_of_names(path: Path) -> Iterator[str]:
    is_test = path.is_relative_to(ROOT / "tests")
    stem = path.stem.removeprefix("test_")
    if stem in RETIRED_MODULES or retired_in_name(stem):
        yield f"{_where(path)}: its own name"
    for name, line in names_in(ast.parse(path.read_text(encoding="utf-8"))):
        if not (is_test and name.startswith("test_")):  # sentences
            for word in retired_in_name(name):
                yield f"{_where(path)}:{line}: {name}: write {RETIRED_NAMES[word]}"


@pytest.mark.parametrize("room", FILES)
def test_no_sentence_has_a_retired_word(room: str) -> None:
    pages = [path for path in FILES[room] if path not in {GLOSSARY, Path(__file__)}]
    assert [fault for path in pages for fault in _faults_of_sentences(path)] == []


def _faults_of_sentences(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for new in retired_in_sentence(line):
            yield f"{_where(path)}:{number}: {line.strip()[:100]}: write {new}"


def _helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    yield name, f"{command.help or ''} {command.short_help or ''} {command.epilog or ''}"
    for parameter in command.params:
        yield f"{name} {parameter.opts[0]}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                yield from _helps(found, f"{name} {inner}")


def test_no_help_of_a_command_has_a_retired_word() -> None:
    helps = list(_helps(isochrone.front_door, "isochrone"))
    assert len(helps) > 100
    assert [
        f"{name}: {text}: write {new}" for name, text in helps for new in retired_in_sentence(text)
    ] == []


def _fields(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield from node["properties"]
        yield from (value for value in node.get("enum", ()) if isinstance(value, str))
        for inner in node.values():
            yield from _fields(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _fields(inner)


def test_no_field_or_word_of_the_api_is_retired() -> None:
    document = openapi_document(ROUTES, "1")
    fields = set(_fields(document)) | {
        part for path in document["paths"] for part in path.split("/")
    }
    assert len(fields) > 300
    assert {field: found for field in fields if (found := retired_in_name(field))} == {}


def test_glossary_lists_what_is_retired_and_uses_no_term_twice() -> None:
    terms, retired = GLOSSARY.read_text(encoding="utf-8").split("## Retired words")
    listed = words_of(retired)
    assert {word for word in RETIRED_NAMES if not {word, word.rstrip("s")} & listed} == set()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", terms, re.MULTILINE)
    named = [row[0] for row in rows if row[0] not in {"term", "---"}]
    assert len(named) > 50
    assert sorted(set(named)) == sorted(named)
    assert [row[0] for row in rows if not row[1] or not row[3]] == []


@pytest.mark.parametrize(
    ("name", "retired"),
    [
        ("probe_fate", {"fate"}),
        ("StrayAnswers", {"stray"}),
        ("late_stamps", {"stamps"}),
        ("AccessBook", {"book"}),
        ("STAMP_PORT", set()),
        ("timestamps", set()),
        ("background", set()),
    ],
)
def test_a_retired_word_is_found_in_a_name(name: str, retired: set[str]) -> None:
    assert retired_in_name(name) == retired


@pytest.mark.parametrize(
    ("sentence", "is_retired"),
    [
        ("Every probe meets its fate.", True),
        ("Targets, one a line.", True),
        ("Targets, one per line.", False),
        ("The kernel stamps packets; each departure stamp counts.", True),
        ("STAMP packets bear timestamps.", False),
        ("It keeps its latency circles, and proves the answer.", True),
        ("It stands beside the standing streams.", True),
        ("It works in the background and I understand.", False),
        ("The file tells of a verdict, which rests on the plan of before.", True),
        ("The file reports a verdict, which is based on the previous plan.", False),
    ],
)
def test_a_retired_word_is_found_in_a_sentence(sentence: str, is_retired: bool) -> None:
    assert bool(retired_in_sentence(sentence)) == is_retired
