"""No circle of files in any room, and none of units inside the controller.

Every import counts: those for types alone, and those inside functions.
"""

import ast
import graphlib
import pathlib
from collections.abc import Iterable

import pytest

ROOT = pathlib.Path(__file__).parent.parent
ROOMS = ("agent", "controller", "foundation", "lab", "messages", "probes", "topology", "tui")


def modules_of(room: str) -> dict[str, pathlib.Path]:
    """The files of a room by their names as modules."""
    files = sorted((ROOT / room).rglob("*.py"))
    dotted = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__"): file for file, name in dotted.items()}


def imports_of(source: str, known: Iterable[str]) -> set[str]:
    """Which of the known modules a source imports, at whatever place."""
    known, found = set(known), set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found |= {whole if whole in known else node.module} & known
    return found


def graph_of(room: str) -> dict[str, set[str]]:
    """Who imports whom among the files of a room."""
    modules = modules_of(room)
    return {
        name: imports_of(file.read_text(encoding="utf-8"), modules) - {name}
        for name, file in modules.items()
    }


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of a graph, nothing where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def unit_of(module: str) -> str:
    """The folder of the controller that a module belongs to; one at the root is its own."""
    return module.split(".")[1] if "." in module else module


@pytest.mark.parametrize("room", ROOMS)
def test_no_files_import_each_other_in_a_circle(room: str) -> None:
    assert circle_in(graph_of(room)) == []


def test_no_units_of_the_controller_import_each_other() -> None:
    units: dict[str, set[str]] = {}
    for module, imported in graph_of("controller").items():
        mine = unit_of(module)
        units.setdefault(mine, set()).update({unit_of(other) for other in imported} - {mine})
    assert circle_in(units) == []


def test_an_import_for_types_or_inside_a_function_counts() -> None:
    source = "def f():\n    from a import b\nif TYPE_CHECKING:\n    from a.c import D\nimport a.e"
    assert imports_of(source, {"a", "a.b", "a.c", "a.e", "a.f"}) == {"a.b", "a.c", "a.e"}


def test_a_circle_is_found() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle_in({"a": {"b"}, "b": {"c"}})
