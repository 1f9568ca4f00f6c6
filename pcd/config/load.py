"""Reading the configuration: defaults, then the file, then credentials, then the environment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pcd.config import contradictions, environment, files, schema
from pcd.config.convert import Given, Problems, convert
from pcd.config.shape import Config, Section
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_S = TypeVar("_S", bound=Section)


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """Return the configuration that the file at *path*, if any, and *env* describe.

    The environment wins over systemd's credentials (``$CREDENTIALS_DIRECTORY``), these over the file,
    the file over the defaults. Missing credentials are no error here. Raises ConfigError that lists
    everything wrong at once and shows no secret.
    """
    problems = Problems()
    given: dict[str, Given] = {}
    if path is not None:
        given.update(_from_table(files.read_toml(path), "", path, problems))
    if folder := env.get("CREDENTIALS_DIRECTORY", ""):
        given.update(environment.from_credentials(Path(folder), problems))
    given.update(environment.from_environment(env, problems))
    values = _convert(given, problems)
    _report(problems)
    data_dir = values.setdefault("daemon.data_dir", _data_dir(env))
    values.setdefault("daemon.control_socket", Path(str(data_dir), "control.sock"))
    config = _build(Config, values, "")
    config = msgspec.structs.replace(
        config, source=path, origins={name: one.origin for name, one in given.items()}
    )
    problems.sentences.extend(contradictions.find(config))
    _report(problems)
    return config


def _from_table(
    table: Mapping[str, Any], prefix: str, path: Path, problems: Problems
) -> Iterator[tuple[str, Given]]:
    for leaf, value in table.items():
        name = f"{prefix}{leaf}"
        given = Given(value, str(path), base=path.absolute().parent)
        owner = name.removesuffix(schema.FILE_SUFFIX)
        if name in schema.KEYS:
            yield name, given
        elif name in schema.SECTIONS and isinstance(value, dict):
            yield from _from_table(value, f"{name}.", path, problems)
        elif name in schema.SECTIONS:
            problems.add(name, given, f"found a value, expected a section: [{name}]")
        elif owner in schema.KEYS and schema.KEYS[owner].is_secret:
            yield from _from_file_key(name, owner, table, given, problems)
        else:
            problems.add_unknown(name, given)


def _from_file_key(
    name: str, owner: str, table: Mapping[str, Any], given: Given, problems: Problems
) -> Iterator[tuple[str, Given]]:
    if owner.rpartition(".")[2] in table:
        problems.add(name, given, f"{owner} is given too; keep one of them")
    elif not isinstance(given.value, str) or not given.value:
        problems.add(name, given, "expected the path of a file")
    else:
        place = given.base / Path(given.value).expanduser()
        yield owner, replace(given, value="", origin=f"file {place}", secret_file=place)


def _convert(given: Mapping[str, Given], problems: Problems) -> dict[str, object]:
    values = {}
    for name, one in given.items():
        key, source = schema.KEYS[name], one
        if one.secret_file is not None:
            try:
                text = files.read_secret(one.secret_file, is_guarded=one.origin.startswith("credential"))
            except ConfigError as error:
                problems.sentences.append(f"{name}: {error}")
                continue
            source = replace(one, value=text, is_text=True)
        value = convert(key, source, problems)
        if value is not msgspec.UNSET:
            values[name] = value
    return values


def _data_dir(env: Mapping[str, str]) -> Path:
    """Return the folder for this user's data."""
    if os.geteuid() == 0:
        return Path("/var/lib/pcd")
    if state := env.get("XDG_STATE_HOME"):
        return Path(state, "pcd")
    try:
        home = Path(env.get("HOME") or Path("~").expanduser())
    except RuntimeError:
        raise ConfigError("daemon.data_dir: this user has no home folder; say where the data goes") from None
    return home / ".local" / "state" / "pcd"


def _build(section: type[_S], values: Mapping[str, object], prefix: str) -> _S:
    chosen: dict[str, object] = {}
    for leaf, key in schema.fields_of(section, prefix).items():
        if schema.is_section(key):
            chosen[leaf] = _build(key.type, values, f"{key.name}.")
        elif key.name in values:
            chosen[leaf] = values[key.name]
    return section(**chosen)


def _report(problems: Problems) -> None:
    if not problems.sentences:
        return
    if len(problems.sentences) == 1:
        raise ConfigError(problems.sentences[0])
    lines = "".join(f"\n  - {sentence}" for sentence in problems.sentences)
    raise ConfigError(f"the configuration has {len(problems.sentences)} problems:{lines}")
