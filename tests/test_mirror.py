"""The tests mirror the source: `probes/window.py` is tested in `tests/probes/test_window.py`.

What several modules do together is tried in a folder `scenarios` beside the twins. A module
without a twin declares and decides nothing, and is in `mirror.toml`.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "controller", "foundation", "lab", "messages", "probes", "topology", "tui")
DECLARATIONS = tomllib.loads((ROOT / "tests/mirror.toml").read_text(encoding="utf-8"))["modules"]

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


def test_every_module_has_its_twin_but_declarations() -> None:
    without = {module for module in MODULES if _twin(module) not in TESTS}
    assert sorted(without - set(DECLARATIONS)) == [], "write the twin"
    assert sorted(set(DECLARATIONS) - without) == [], "it has a twin, or is gone: take it off"


def test_a_declaration_declares_and_decides_nothing() -> None:
    """No function of its own: structs, constants and types alone."""
    deciding = [
        module
        for module in DECLARATIONS
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
