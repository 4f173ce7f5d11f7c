"""What children run does not depend on the folder somebody happens to be in."""

import ast
import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet.children import child_environment, isochrone_command, python_command, start

ROOT = Path(__file__).parents[3]
SOURCES = [
    path
    for place in ("agent", "bench", "controller", "lab", "probes", "tests", "topology", "tui")
    for path in sorted((ROOT / place).rglob("*.py"))
]


def words_after_the_interpreter(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, word) for each literal word that follows `sys.executable` in a command."""
    for node in ast.walk(tree):
        words = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        for one, following in itertools.pairwise(words):
            if ast.unparse(one) == "sys.executable" and isinstance(following, ast.Constant):
                yield one.lineno, following.value


@pytest.mark.parametrize(
    "commands", [isochrone_command("--version"), python_command("-m", "lab.fleet.wan")]
)
@pytest.mark.parametrize("packages", [None, "", ":", ".", f".:{ROOT}:"])
def test_a_child_runs_nothing_that_lies_in_the_current_folder(
    hostile_folder: Path, monkeypatch: pytest.MonkeyPatch, commands: list[str], packages: str | None
) -> None:
    if packages is not None:
        monkeypatch.setenv("PYTHONPATH", packages)
    done = subprocess.run(
        commands, cwd=hostile_folder, env=child_environment(), capture_output=True, text=True
    )
    assert (
        done.stdout.startswith("isochrone") or "IndexError" in done.stderr
    )  # lab.fleet.wan: no SPEC


@pytest.mark.parametrize("path", ["{here}:{safe}", ".:{safe}", ":{safe}", "{safe}:"])
def test_a_tool_of_the_system_is_not_looked_for_in_the_current_folder(
    hostile_folder: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(hostile_folder)
    monkeypatch.setenv("PATH", path.format(here="../hostile", safe="/usr/sbin:/usr/bin:/bin"))
    assert child_environment()["PATH"] == "/usr/sbin:/usr/bin:/bin"
    subprocess.run(["python3", "-P", "-c", ""], env=child_environment(), check=False)


def test_a_child_gets_nothing_that_makes_python_run_other_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {"STARTUP": "x.py", "HOME": "/x", "USERBASE": "/x", "WARNINGS": "error::random.Random"}
    for name, value in told.items():
        monkeypatch.setenv(f"PYTHON{name}", value)
    monkeypatch.setenv("PYTHONUTF8", "1")
    environment = child_environment()
    assert not {f"PYTHON{name}" for name in told} & set(environment)
    assert environment["PYTHONUTF8"] == environment["PYTHONSAFEPATH"] == "1"


def test_a_daemon_stands_in_the_root_folder(hostile_folder: Path, tmp_path: Path) -> None:
    where = "import os; print(os.getcwd())"
    process = start(python_command("-c", where), tmp_path / "log")
    assert process.wait(60) == 0
    assert (tmp_path / "log").read_text() == "/\n"


def test_every_python_child_is_started_without_the_current_folder_on_its_path() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path, text in texts.items()
        if "sys.executable" in text
        for line, word in words_after_the_interpreter(ast.parse(text))
        if word.startswith("-") and word not in ("-P", "-I")
    ]
    assert not wrong, "use lab.fleet.children.python_command"


def test_the_makefile_runs_no_python_with_the_current_folder_on_its_path() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    runs = re.findall(r"(?:/python|\(PYTHON\)) (-\w+)", makefile)
    assert runs
    assert set(runs) <= {"-P", "-I"}
