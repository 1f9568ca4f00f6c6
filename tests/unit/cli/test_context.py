"""What every command shares: which file is read, and how a command ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcd.cli import context
from pcd.errors import ConfigError, ControlError, DaemonUnreachable, PcdError, StoreError


@pytest.fixture(autouse=True)
def lone_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start in an empty folder without $PCD_CONFIG."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PCD_CONFIG", raising=False)


def test_option_comes_before_the_environment_and_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("config.toml").touch()
    assert context.config_path(None) == Path("config.toml")
    monkeypatch.setenv("PCD_CONFIG", "named.toml")
    assert context.config_path(None) == Path("named.toml")
    assert context.config_path(Path("given.toml")) == Path("given.toml")


def test_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCD_CONFIG", "absent.toml")
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        context.load_config(None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("x"), 2),
        (DaemonUnreachable("x"), 3),
        (StoreError("x"), 1),
        (ControlError("x", code="closed"), 1),
        (ControlError("x", code="unknown_name"), 2),
        (ExceptionGroup("g", [ConfigError("x")]), 2),
        (ExceptionGroup("g", [ExceptionGroup("g", [DaemonUnreachable("x")])]), 3),
    ],
    ids=[
        "configuration",
        "daemon",
        "ours",
        "refused",
        "a name that nothing has",
        "in a group",
        "in a group of a group",
    ],
)
def test_command_ends_with_one_line_and_its_code(
    error: Exception, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending, context.reporting():
        raise error
    assert ending.value.code == expected
    assert capsys.readouterr().err == "pcd: x\n"


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), ExceptionGroup("g", [PcdError("x"), ValueError("y")])],
    ids=["alone", "among ours"],
)
def test_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), context.reporting():
        raise error


def test_reader_that_has_seen_enough_is_no_fault_of_ours() -> None:
    """As in ``pcd gaps | head -1``; typer ends the process quietly when the error comes alone."""
    with pytest.raises(BrokenPipeError), context.reporting():
        raise ExceptionGroup("g", [ExceptionGroup("g", [BrokenPipeError()])])
