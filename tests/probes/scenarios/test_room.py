"""`probes/` opens no file and knows of nobody but the foundation it stands on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import probes

MODULES = sorted(Path(probes.__file__).parent.rglob("*.py"))
OTHER_ROOMS = {"agent", "bench", "controller", "isochrone", "lab", "messages", "topology", "tui"}
# What the other rooms share of their files, and no measurement imports.
OF_FILES = {"input_files", "private_files", "sqlite_faults"}
FILE_MODULES = {"fileinput", "io", "mmap", "shelve", "sqlite3", "tempfile"}
# What opens, reads or writes a file, as a function or as a method.
FILE_CALLS = {"open", "fdopen", "openat", "read_text", "read_bytes", "write_text", "write_bytes"}
FILE_CALLS |= {
    "mkdir",
    "touch",
    "unlink",
    "fromfile",
    "tofile",
    "loadtxt",
    "savetxt",
    "memmap",
    "genfromtxt",
}


READS_PROC = {"damaged"}  # the kernel's own counters, which it tells in no other way


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_probe_module_opens_a_file_or_knows_another_room(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert not OTHER_ROOMS & set(imported(tree))
    assert not FILE_MODULES & set(imported(tree))
    allowed = {"read_text"} if module.stem in READS_PROC else set()
    assert not FILE_CALLS & set(called(tree)) - allowed


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_measurement_imports_what_is_shared_of_files(module: Path) -> None:
    named = {
        node.module.rpartition(".")[2]
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not OF_FILES & named
