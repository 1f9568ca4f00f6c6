"""Loads definitions from where they stand: our own folder, the user's, and the old table."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from pcd.db import queries
from pcd.errors import DefinitionError
from pcd.workflows.decode import decode
from pcd.workflows.switches import Switch, read_switches
from pcd.workflows.translate import translate
from pcd.workflows.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pcd.db.pool import Database, Record
    from pcd.workflows.validate import Known
    from pcd.workflows.workflow import Workflow

_SQL = queries.load("pcd.workflows.definitions")
_LARGEST = 1_000_000
# In a file that is no TOML the first name is most likely the workflow's.
_NAME = re.compile(rb"""^[ \t]*name[ \t]*=[ \t]*(["'])(.+?)\1""", re.MULTILINE)
_NOTHING_SAID: Mapping[str, Switch] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Every definition that is understood, by name, and what is wrong with the others.

    A file of the user's goes before a row of the same name, and a row before a built-in one, even where it
    is not understood: *hidden* are those that another one took the place of. *switches* are what people
    said by command of which name; the workflows are switched as they say.
    """

    workflows: tuple[Workflow, ...]
    failures: tuple[DefinitionError, ...]
    hidden: tuple[Workflow, ...] = ()
    switches: Mapping[str, Switch] = field(default_factory=lambda: _NOTHING_SAID)

    def switch(self, name: str) -> Switch:
        """Return what people said by command of the workflow of that name."""
        return self.switches.get(name, Switch())

    async def under(self, db: Database) -> Loaded:
        """Return the same definitions, switched as people said by command in *db*. Raises StoreError."""
        said = await read_switches(db)
        switched = [said.get(one.name, Switch()).applied_to(one) for one in self.workflows]
        return replace(self, workflows=tuple(switched), switches=said)

    def get(self, name: str) -> Workflow | None:
        """Return the workflow of that name."""
        return next((one for one in self.workflows if one.name == name), None)


async def load(db: Database | None, *, folder: Path | None, known: Known) -> Loaded:
    """Return all definitions: those of *folder*, of the database's rows, and the built-in ones.

    One that is bad is a failure and leaves the others alone. They are switched as people said by command
    in *db*. Raises StoreError.
    """
    rows = [] if db is None else await db.fetch(_SQL["rows"])
    found = _read_all(
        (
            *(() if folder is None else from_folder(folder)),
            *((f"row {row['name']}", partial(from_row, row)) for row in rows),
            *built_in(),
        ),
        known,
    )
    return found if db is None else await found.under(db)


def load_files(paths: Iterable[Path], *, known: Known) -> Loaded:
    """Return the definitions in these files alone, switched as they say."""
    return _read_all(((str(path), _reader(path.read_bytes, str(path))) for path in paths), known)


def _read_all(sources: Iterable[tuple[str, Callable[[], Workflow]]], known: Known) -> Loaded:
    """Read *sources*, of which an earlier one goes before a later one of the same name, though it be bad."""
    found: dict[str, Workflow] = {}
    failures: list[DefinitionError] = []
    hidden = []
    spoiled: set[str] = set()
    for source, read in sources:
        try:
            workflow = read()
            validate(workflow, known)
        except DefinitionError as error:
            failures.append(error)
            spoiled.add(error.name)
            continue
        if source.startswith(("row ", "built-in ")) and workflow.name in {*found, *spoiled}:
            hidden.append(workflow)
        elif workflow.name not in found:
            found[workflow.name] = workflow
        else:
            other = found[workflow.name].source
            failures.append(
                DefinitionError(source, [f"name: {workflow.name!r} is the name of {other} as well"])
            )
    ordered = sorted(found.values(), key=lambda one: (-one.priority, one.name))
    return Loaded(workflows=tuple(ordered), failures=tuple(failures), hidden=tuple(hidden))


def built_in() -> Iterator[tuple[str, Callable[[], Workflow]]]:
    """Yield the definitions that pcd brings along, in the order of their files."""
    for entry in sorted(files("pcd.workflows.definitions").iterdir(), key=lambda one: one.name):
        if entry.name.endswith(".toml"):
            source = f"built-in {entry.name}"
            yield source, _reader(entry.read_bytes, source)


def from_folder(folder: Path) -> Iterator[tuple[str, Callable[[], Workflow]]]:
    """Yield the definitions in *folder*, in the order of their files."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        problem = f"the folder cannot be read: {error.strerror}"
        yield str(folder), _failing(DefinitionError(str(folder), [problem]))
        return
    for path in paths:
        yield str(path), _reader(path.read_bytes, str(path))


def from_toml(content: bytes, *, source: str) -> Workflow:
    """Return the workflow that a TOML file holds; raises DefinitionError."""
    if len(content) > _LARGEST:
        raise DefinitionError(source, [f"larger than {_LARGEST} bytes"])
    try:
        document = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        found = _NAME.search(content)
        name = found[2].decode(errors="replace") if found else ""
        raise DefinitionError(source, [str(error)], name=name) from None
    return decode(document, source=source)


def from_row(row: Record | dict[str, Any]) -> Workflow:
    """Return the workflow that a row of the old table holds, its JSON as text; raises DefinitionError."""
    source = f"row {row['name']}"
    columns = dict(row)
    for name in ("trigger_conditions", "stop_conditions", "steps"):
        try:
            columns[name] = orjson.loads(columns[name] or "null")
        except orjson.JSONDecodeError as error:
            raise DefinitionError(source, [f"{name}: {error}"], name=str(row["name"])) from None
    return decode(translate(columns), source=source, row_id=columns.get("id"))


def _reader(read: Callable[[], bytes], source: str) -> Callable[[], Workflow]:
    def load_it() -> Workflow:
        try:
            return from_toml(read(), source=source)
        except OSError as error:
            raise DefinitionError(source, [f"cannot be read: {error.strerror}"]) from None

    return load_it


def _failing(error: DefinitionError) -> Callable[[], Workflow]:
    def fail() -> Workflow:
        raise error

    return fail
