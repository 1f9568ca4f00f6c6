"""What the README and docs say is so: commands, keys, variables, targets, files and resources exist."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from pcd.cli.main import app
from pcd.config import load, schema
from pcd.config.environment import OLD_NAMES
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
}
ALL = "\n".join(DOCUMENTS.values())
BLOCKS = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", ALL, re.DOTALL | re.MULTILINE)
SHELL = "\n".join(text for language, text in BLOCKS if language == "sh")
PROSE = re.sub(r"^ *```.*?^ *```$", "", ALL, flags=re.DOTALL | re.MULTILINE)
SPANS = re.findall(r"`([^`\n]+)`", PROSE)
TABLE = re.findall(r"^\| `(\w+)` \| `(st_\w+)` \| `([\w.:]+)` \| (.+) \|$", ALL, re.MULTILINE)


def invocations() -> Iterator[str]:
    """Yield every call of pcd, in text or in a block, as it is typed."""
    indented = re.findall(r"^    (pcd .+)$", PROSE, re.MULTILINE)
    for line in (*SPANS, *indented, *SHELL.splitlines()):
        for found in re.finditer(r"(?:^|[\s;|&])pcd ((?:[\w-]+ ?)+(?:--[\w-]+|[^#`\n])*)", line):
            yield found.group(1).split("#")[0].strip()


@pytest.mark.parametrize("typed", sorted(set(invocations())))
def test_command_exists_with_its_options(typed: str) -> None:
    command = typer.main.get_command(app)
    words = typed.split()
    while isinstance(command, typer.core.TyperGroup) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not (words and isinstance(command, typer.core.TyperGroup)), f"no such command: pcd {typed}"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "name", sorted({span for span in SPANS if span.partition(".")[0] in schema.SECTIONS and "." in span})
)
def test_configuration_key_exists(name: str) -> None:
    key = name.partition(" ")[0]
    files = {f"{each.name}{schema.FILE_SUFFIX}" for each in schema.KEYS.values() if each.is_secret}
    assert key in schema.KEYS or key in files or any(each.startswith(f"{key}.") for each in schema.KEYS)


@pytest.mark.parametrize(
    "text", [text for language, text in BLOCKS if language == "toml" and text.startswith("[")]
)
def test_configuration_example_is_accepted(text: str, tmp_path: Path) -> None:
    for section, keys in tomllib.loads(text).items():
        for key, value in keys.items():
            if key.endswith(schema.FILE_SUFFIX):
                path = tmp_path / value
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"secret of {section}\n")
                path.chmod(0o600)
    (tmp_path / "config.toml").write_text(text)
    load(tmp_path / "config.toml", {})


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b[A-Z]+(?:_+[A-Z]+)+\b", README))))
def test_variable_is_one_that_we_read(name: str) -> None:
    ours = {f"PCD_{key.replace('.', '__').upper()}" for key in schema.KEYS}
    assert name in ours | {old.name for old in OLD_NAMES}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bmake ([a-z]+)\b", f"{SHELL} {' '.join(SPANS)}"))))
def test_target_exists(name: str) -> None:
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "name", sorted({span for span in SPANS if re.fullmatch(r"(?:pcd|tests|deploy)/[\w./@-]+", span)})
)
def test_file_exists(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", DOCUMENTS[path]) if "://" not in link}
    assert {link for link in links if not (path.parent / link).exists()} == set()


def test_every_document_is_found_from_the_front_page() -> None:
    assert {path.name for path in DOCUMENTS} - {"README.md"} == set(
        re.findall(r"\]\(docs/(\w+\.md)\)", README)
    )


def test_table_of_resources_is_the_declarations() -> None:
    fresh = load(None, {}).sync.fresh_interval
    assert fresh == timedelta(seconds=15)
    declared = [
        (each.name, each.table, each.scope, "15 s" if each.fresh else "5 min") for each in RESOURCES.values()
    ]
    assert declared == TABLE
