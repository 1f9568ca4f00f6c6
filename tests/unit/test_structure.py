"""Rules about the code itself that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pcd"
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}
LONGEST_MODULE = 400
# Where one failure must not end the rest: the supervisor's restart, the control server's request,
# a rule of an event, and a recorded step.
MAY_CATCH_EVERYTHING = {
    "pcd/supervisor.py",
    "pcd/control/server.py",
    "pcd/events/classify.py",
    "pcd/workflows/performer.py",
}


def places() -> set[str]:
    """Return the top-level modules that have a place in the import contract."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = pyproject["tool"]["importlinter"]["contracts"][0]["layers"]
    return set(re.findall(r"\w+", " ".join(layers)))


def broad_handlers(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of handlers that catch every exception and keep it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler) or is_passed_on(node):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        for one in caught:
            if one is None or (isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"}):
                yield node.lineno


def is_passed_on(handler: ast.ExceptHandler) -> bool:
    """Whether *handler* tidies up and raises again what it caught."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def is_stub(statement: ast.stmt) -> bool:
    """Whether *statement* does nothing: ``pass``, a bare constant."""
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or is_constant


def test_modules_can_be_read_in_one_sitting() -> None:
    assert [name for name, text in SOURCES.items() if len(text.splitlines()) > LONGEST_MODULE] == []


def test_every_module_has_a_place() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert modules | packages <= places(), "give it a layer in pyproject.toml, or a better home"


def test_only_listed_places_catch_everything() -> None:
    found = {name for name, tree in TREES.items() if list(broad_handlers(tree))}
    assert found <= MAY_CATCH_EVERYTHING


def test_no_error_is_swallowed_without_a_trace() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and all(is_stub(statement) for statement in node.body)
    ]
    assert found == []


def test_connections_are_taken_through_the_database_only() -> None:
    taken = re.compile(r"\.acquire\(|asyncpg\.(connect|create_pool)\(")
    outside = {name: text for name, text in SOURCES.items() if not name.startswith("pcd/db/")}
    assert [name for name, text in outside.items() if taken.search(text)] == []
