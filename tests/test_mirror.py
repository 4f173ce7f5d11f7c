"""The tests mirror the source: `probes/window.py` is tested in `tests/probes/test_window.py`.

What several modules do together is tried in a folder `scenarios` beside the twins. A module
without a twin is in `mirror.toml`. That list can only shrink: an entry that is no longer
needed fails, and nothing may be added beyond its present length.
"""

import ast
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "controller", "foundation", "lab", "messages", "probes", "topology", "tui")
LIST = tomllib.loads((ROOT / "tests/mirror.toml").read_text(encoding="utf-8"))

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ROOMS
    for path in ROOT.glob(f"{room}/**/*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
TESTS = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ROOMS
    for path in ROOT.glob(f"tests/{room}/**/test_*.py")
    if "scenarios" not in path.parts
)


def _twin(module: str) -> str:
    path = Path(module)
    return (Path("tests") / path.parent / f"test_{path.name}").as_posix()


def test_every_module_has_its_twin_or_says_where_it_is_tested() -> None:
    without = {module for module in MODULES if _twin(module) not in TESTS}
    explained = {*LIST["declarations"]["modules"], *LIST["tested_in"]}
    assert sorted(without - explained) == [], "write the twin, or say in mirror.toml where instead"
    assert sorted(explained - without) == [], "it has a twin, or is gone: take it off mirror.toml"
    assert len(explained) <= LIST["most"]["modules"]


def test_what_is_tested_elsewhere_is_reached_from_there() -> None:
    """The test named for a module imports it, itself or through what it imports."""
    wrong = [
        (module, test)
        for module, test in LIST["tested_in"].items()
        if not (ROOT / test).is_file() or module not in _reached(test)
    ]
    assert wrong == []


def test_a_declaration_declares_and_decides_nothing() -> None:
    """No function of its own: structs, constants and types alone."""
    deciding = [
        module
        for module in LIST["declarations"]["modules"]
        if any(isinstance(node, ast.If | ast.For | ast.While) for node in _functions(module))
    ]
    assert deciding == []


def test_every_test_mirrors_a_module_or_is_a_scenario() -> None:
    twins = {_twin(module) for module in MODULES}
    packages = {
        (Path("tests") / path.parent / f"test_{path.name}.py").as_posix()
        for module in MODULES
        for path in Path(module).parents
    }
    others = sorted(set(TESTS) - twins - packages)
    assert others == [], "name it after its module, or move it to the folder `scenarios` beside it"


def _functions(module: str) -> Iterator[ast.AST]:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ast.walk(node)


@functools.cache
def _imports(file: str) -> frozenset[str]:
    """The modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = re.findall(rf"^(?:{'|'.join(ROOMS)})(?:\.\w+)+", node.value)  # loaded by name
        for name in names:
            path = name.replace(".", "/")
            candidates = (f"{path}.py", f"{path}/__init__.py", f"{path}/__main__.py")
            found |= {f for f in candidates if (ROOT / f).is_file()}
    return frozenset(found)


@functools.cache
def _reached(test: str) -> frozenset[str]:
    helpers = [
        path.relative_to(ROOT).as_posix()
        for folder in (ROOT / test).parents
        if folder.is_relative_to(ROOT / "tests")
        for path in folder.glob("conftest.py")
    ]
    seen: set[str] = set()
    todo = [test, *helpers]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += _imports(file)
    return frozenset(seen)
