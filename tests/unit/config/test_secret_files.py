"""Secrets that stand in files of their own, and credentials that a service manager hands over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from unit.config.conftest import HIDDEN

from pcd.config import load
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from unit.config.conftest import Write


class TestSecretFiles:
    """A secret in a file of its own."""

    def test_secret_is_read_without_its_newline(self, write: Write) -> None:
        write(f"{HIDDEN}\n", name="secret")
        config = load(write('[servicetitan]\nclient_secret_file = "secret"'), {})
        assert config.servicetitan.client_secret.reveal() == HIDDEN
        assert config.origins["servicetitan.client_secret"].startswith("file /")

    @pytest.mark.parametrize("name", ["PCD_AI__API_KEY_FILE", "ANTHROPIC_API_KEY_FILE"])
    def test_environment_names_a_file(self, write: Write, name: str) -> None:
        assert load(None, {name: str(write(HIDDEN, name="secret"))}).ai.api_key.reveal() == HIDDEN

    @pytest.mark.parametrize("name", ["PCD_AI__API_KEY", "ANTHROPIC_API_KEY"])
    def test_value_is_stronger_than_a_file(self, write: Write, name: str) -> None:
        file = write("from the file", name="secret")
        assert load(None, {name: HIDDEN, f"{name}_FILE": str(file)}).ai.api_key.reveal() == HIDDEN

    def test_url_may_lie_in_a_file(self, write: Write) -> None:
        write("postgresql://u:a@b@h/d\n", name="secret")
        config = load(write('[database]\nurl_file = "secret"'), {})
        assert config.database.url.reveal() == "postgresql://u:a%40b@h/d"

    def test_overridden_file_is_not_even_read(self, write: Write) -> None:
        path = write('[ai]\napi_key_file = "absent"')
        assert load(path, {"ANTHROPIC_API_KEY": HIDDEN}).ai.api_key.reveal() == HIDDEN

    @pytest.mark.parametrize(
        ("content", "mode", "expected"),
        [
            pytest.param(HIDDEN, 0o604, "chmod 600", id="readable by everybody"),
            pytest.param(" \n", 0o600, "is empty", id="empty"),
            pytest.param("x" * 70_000, 0o600, "64 KiB", id="too large"),
        ],
    )
    def test_unfit_file_is_refused(self, write: Write, content: str, mode: int, expected: str) -> None:
        write(content, name="secret", mode=mode)
        with pytest.raises(ConfigError, match=expected) as refusal:
            load(write('[ai]\napi_key_file = "secret"'), {})
        assert str(refusal.value).startswith("ai.api_key")
        assert HIDDEN not in str(refusal.value)

    def test_group_may_read_a_secret(self, write: Write) -> None:
        write(HIDDEN, name="secret", mode=0o640)
        assert load(write('[ai]\napi_key_file = "secret"'), {}).ai.api_key

    def test_missing_file_is_named(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file") as refusal:
            load(write('[ai]\napi_key_file = "absent"'), {})
        assert str(tmp_path / "absent") in str(refusal.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable_file_is_named(self, write: Write) -> None:
        write(HIDDEN, name="secret", mode=0o000)
        with pytest.raises(ConfigError, match="Permission denied"):
            load(write('[ai]\napi_key_file = "secret"'), {})

    def test_pipe_is_not_waited_for(self, write: Write, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "secret", 0o600)
        with pytest.raises(ConfigError, match="not a regular file"):
            load(write('[ai]\napi_key_file = "secret"'), {})

    def test_folder_is_refused(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir(mode=0o700)
        with pytest.raises(ConfigError, match="not a regular file"):
            load(write('[ai]\napi_key_file = "secret"'), {})

    def test_binary_file_is_refused(self, write: Write, tmp_path: Path) -> None:
        write("", name="secret")
        (tmp_path / "secret").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="UTF-8"):
            load(write('[ai]\napi_key_file = "secret"'), {})

    def test_secret_given_twice_is_refused(self, write: Write) -> None:
        path = write(f'[ai]\napi_key = "{HIDDEN}"\napi_key_file = "secret"')
        with pytest.raises(ConfigError, match="keep one of them") as refusal:
            load(path, {})
        assert HIDDEN not in str(refusal.value)

    def test_only_secrets_have_files(self, write: Write) -> None:
        with pytest.raises(ConfigError, match=r"daemon\.log_level_file .*unknown key"):
            load(write('[daemon]\nlog_level_file = "x"'), {})


class TestCredentials:
    """systemd's $CREDENTIALS_DIRECTORY."""

    @pytest.mark.parametrize(
        "name", ["ai.api_key", "ANTHROPIC_API_KEY", "PCD_AI__API_KEY"], ids=["key", "old name", "new name"]
    )
    def test_credential_is_found_by_its_name(self, write: Write, tmp_path: Path, name: str) -> None:
        write(HIDDEN, name=name, mode=0o444)
        config = load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert config.ai.api_key.reveal() == HIDDEN
        assert config.origins == {"ai.api_key": f"credential {name}"}

    def test_credential_stands_between_file_and_environment(self, write: Write, tmp_path: Path) -> None:
        write("from a credential", name="ai.api_key")
        path = write('[ai]\napi_key = "from the file"')
        env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        assert load(path, env).ai.api_key.reveal() == "from a credential"
        env["ANTHROPIC_API_KEY"] = "from the environment"
        assert load(path, env).ai.api_key.reveal() == "from the environment"

    def test_other_programs_credentials_are_left_alone(self, write: Write, tmp_path: Path) -> None:
        write(HIDDEN, name="somebody.elses")
        assert load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).origins == {}

    def test_misspelt_credential_is_named(self, write: Write, tmp_path: Path) -> None:
        write(HIDDEN, name="servicetitan.client_secrt")
        with pytest.raises(ConfigError, match=r"did you mean servicetitan\.client_secret\?"):
            load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    def test_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"absent.*No such file"):
            load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "absent")})
