"""Where the configuration comes from, who wins, and what is said about what is wrong."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.config import Config, Secret, load
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]

HIDDEN = "hidden-value"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file that only we may read, and returns its path."""

    def write(text: str, *, name: str = "config.toml", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_nothing_given_gives_the_defaults() -> None:
    config = load(None, {})
    assert config.database.url.reveal() == ""
    assert config.sync == Config().sync
    assert config.origins == {}


@pytest.mark.parametrize(
    ("toml", "key", "expected"),
    [
        ("[daemon]\nhttp_port = 0", "daemon.http_port", 0),
        ('[daemon]\nlog_level = "WARN"', "daemon.log_level", "warning"),
        ('[servicetitan]\ntenant_id = "12345"', "servicetitan.tenant_id", "12345"),
        ("[servicetitan]\ntenant_id = 12345", "servicetitan.tenant_id", "12345"),
        ("[servicetitan]\nrequests_per_second = 20", "servicetitan.requests_per_second", 20.0),
        ('[servicetitan]\napi_url = "http://localhost:80/"', "servicetitan.api_url", "http://localhost:80"),
        ('[sync]\nfresh_interval = ""', "sync.fresh_interval", None),
        ('[sync]\nfresh_interval = "1m30s"', "sync.fresh_interval", timedelta(seconds=90)),
        ('[sync]\nlookback = "0s"', "sync.lookback", timedelta()),
        ('[sync]\nresources = ["jobs", "calls"]', "sync.resources", ("jobs", "calls")),
        ("[sync]\nresources = []", "sync.resources", ()),
        ('[messaging.smtp]\nhost = "mail"', "messaging.smtp.host", "mail"),
        ('messaging.quiet_hours = ""', "messaging.quiet_hours", ""),
        ('[ghl.pipelines.sales.stages]\njob_sold = "x"', "ghl.pipelines.sales.stages.job_sold", "x"),
        ('[redis]\nurl = "unix:///run/redis.sock"', "redis.url.reveal", "unix:///run/redis.sock"),
    ],
)
def test_file_gives_a_key(write: Write, toml: str, key: str, expected: object) -> None:
    value = attrgetter(key)(load(write(toml), {}))
    assert (value() if callable(value) else value) == expected


@pytest.mark.parametrize(
    ("name", "text", "key", "expected"),
    [
        ("DATABASE_URL", "postgresql://u:p@h/d", "database.url.reveal", "postgresql://u:p@h/d"),
        ("SERVICETITAN_DATABASE_URL", "postgres://u:p@@h", "database.url.reveal", "postgres://u:p%40@h"),
        ("REDIS_URL", "redis://r:6379", "redis.url.reveal", "redis://r:6379"),
        ("SERVICE_TITAN_CLIENT_ID", "cid", "servicetitan.client_id", "cid"),
        ("SERVICE_TITAN_CLIENT_SECRET", HIDDEN, "servicetitan.client_secret.reveal", HIDDEN),
        ("SERVICE_TITAN_APP_KEY", HIDDEN, "servicetitan.app_key.reveal", HIDDEN),
        ("SERVICE_TITAN_TENANT_ID", "77", "servicetitan.tenant_id", "77"),
        ("SYNC_INCREMENTAL_CRON", "*/7 * * * *", "sync.incremental_cron", "*/7 * * * *"),
        ("SYNC_FULL_CRON", "0 3 * * *", "sync.full_cron", "0 3 * * *"),
        ("EVENT_POLL_INTERVAL_MS", "45000", "events.poll_interval", timedelta(seconds=45)),
        ("EXECUTION_CHECK_INTERVAL_MS", "250", "workflows.check_interval", timedelta(milliseconds=250)),
        ("EXECUTION_CHECK_INTERVAL_MS", "20s", "workflows.check_interval", timedelta(seconds=20)),
        ("GHL_API_KEY", HIDDEN, "ghl.token.reveal", HIDDEN),
        ("GHL_ACCESS_TOKEN", HIDDEN, "ghl.token.reveal", HIDDEN),
        ("GHL_LOCATION_ID", "place", "ghl.location_id", "place"),
        ("GHL_SYNC_ENABLED", "true", "ghl.enabled", True),
        ("GHL_SYNC_CRON", "0 * * * *", "ghl.cron", "0 * * * *"),
        ("GHL_AUTO_SYNC_ESTIMATES", "TRUE", "ghl.auto_sync_estimates", True),
        ("GHL_AUTO_SYNC_JOBS", "1", "ghl.auto_sync_jobs", True),
        ("GHL_AUTO_SYNC_CUSTOMERS", "off", "ghl.auto_sync_customers", False),
        ("HEALTH_CHECK_INTERVAL_MS", "60000", "health.interval", timedelta(minutes=1)),
        ("ANTHROPIC_API_KEY", HIDDEN, "ai.api_key.reveal", HIDDEN),
        ("LOG_LEVEL", "debug", "daemon.log_level", "debug"),
        ("TWILIO_ACCOUNT_SID", "AC1", "messaging.twilio.account_sid", "AC1"),
        ("TWILIO_AUTH_TOKEN", HIDDEN, "messaging.twilio.auth_token.reveal", HIDDEN),
        ("TWILIO_PHONE_NUMBER", "+15550100", "messaging.twilio.phone_number", "+15550100"),
        ("SENDGRID_API_KEY", HIDDEN, "messaging.sendgrid.api_key.reveal", HIDDEN),
        ("PCD_DAEMON__HTTP_PORT", "4001", "daemon.http_port", 4001),
        ("PCD_SERVICETITAN__REQUESTS_PER_SECOND", "7.5", "servicetitan.requests_per_second", 7.5),
        ("PCD_SYNC__RESOURCES", "jobs, calls,", "sync.resources", ("jobs", "calls")),
        ("PCD_SYNC__FRESH_INTERVAL", "", "sync.fresh_interval", None),
        ("PCD_GHL__PIPELINES__SALES__STAGES__JOB_SOLD", "x", "ghl.pipelines.sales.stages.job_sold", "x"),
        ("PCD_GHL__DRY_RUN", "yes", "ghl.dry_run", True),
    ],
)
def test_environment_gives_a_key(name: str, text: str, key: str, expected: object) -> None:
    config = load(None, {name: text})
    value = attrgetter(key)(config)
    assert (value() if callable(value) else value) == expected
    assert config.origins == {key.removesuffix(".reveal"): f"environment {name}"}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"DATABASE_URL": "postgresql://old", "SERVICETITAN_DATABASE_URL": "postgresql://st"}, "st"),
        ({"DATABASE_URL": "postgresql://old", "SERVICETITAN_DATABASE_URL": ""}, "old"),
        ({"DATABASE_URL": "postgresql://old", "PCD_DATABASE__URL": "postgresql://new"}, "new"),
        ({"DATABASE_URL": ""}, "file"),
        ({}, "file"),
    ],
)
def test_stronger_name_wins(write: Write, env: dict[str, str], expected: str) -> None:
    path = write('[database]\nurl = "postgresql://file"')
    assert load(path, env).database.url.reveal() == f"postgresql://{expected}"


def test_key_wins_over_the_other_token_of_gohighlevel() -> None:
    assert load(None, {"GHL_API_KEY": "key", "GHL_ACCESS_TOKEN": "token"}).ghl.token == Secret("key")


def test_empty_new_name_unsets_what_the_file_says(write: Write) -> None:
    path = write('[database]\nurl = "postgresql://file"')
    assert not load(path, {"PCD_DATABASE__URL": ""}).database.url


def test_names_of_other_programs_are_none_of_ours() -> None:
    assert load(None, {"PCD_CONFIG": "x", "PCD_CRASH_AT": "y", "PATH": "/bin"}).origins == {}


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


class TestTables:
    """Keys that hold tables: technicians and probes."""

    def test_technicians_are_keyed_by_id(self, write: Write) -> None:
        toml = '[ghl.technicians]\n12 = { option = "Heron", role = "helper" }\n13 = { option = "Finch" }'
        technicians = load(write(toml), {}).ghl.technicians
        assert {key: (one.option, one.role) for key, one in technicians.items()} == {
            12: ("Heron", "helper"),
            13: ("Finch", "lead"),
        }

    def test_probes_are_listed_in_order(self, write: Write) -> None:
        toml = """
            [[health.probes]]
            name = "mongo"
            kind = "tcp"
            target = "mongodb:27017"
            [[health.probes]]
            name = "main"
            kind = "postgres"
            target = "postgresql://u:p@ss@h/d"
            timeout = "250ms"
        """
        first, second = load(write(toml), {}).health.probes
        assert (first.name, first.timeout) == ("mongo", timedelta(seconds=5))
        assert second.target.reveal() == "postgresql://u:p%40ss@h/d"
        assert second.timeout == timedelta(milliseconds=250)

    @pytest.mark.parametrize(
        ("probe", "expected"),
        [
            ('kind = "tcp"\ntarget = "h:1"', "health.probes[1].name ({path}): missing"),
            (
                'name = "a"\nkind = "tpc"\ntarget = "h:1"',
                (
                    'health.probes[1].kind ({path}): found "tpc", '
                    'expected "http" or "tcp" or "postgres" or "redis"'
                ),
            ),
            (
                'name = "a"\nkind = "tcp"\ntarget = "h"',
                'health.probes[1].target: expected "host:port" for a tcp probe',
            ),
            (
                'name = "a"\nkind = "http"\ntarget = "h:1"',
                "health.probes[1].target: expected http://... for a probe of kind http",
            ),
            (
                'name = "a"\nkind = "tcp"\ntarget = "h:1"\nport = 5',
                "health.probes[1].port ({path}): unknown key; known are name, kind, target, timeout",
            ),
        ],
    )
    def test_wrong_probe_is_named_by_its_number(self, write: Write, probe: str, expected: str) -> None:
        path = write(f"[[health.probes]]\n{probe}")
        with pytest.raises(ConfigError) as refusal:
            load(path, {})
        assert str(refusal.value) == expected.format(path=path)

    def test_two_probes_of_one_name_are_refused(self, write: Write) -> None:
        probe = '[[health.probes]]\nname = "a"\nkind = "tcp"\ntarget = "h:1"\n'
        with pytest.raises(ConfigError, match=r'probes\[2\]\.name: "a" is taken'):
            load(write(probe + probe), {})

    def test_technician_without_a_number_is_refused(self, write: Write) -> None:
        with pytest.raises(ConfigError, match="keyed by ServiceTitan ids"):
            load(write('[ghl.technicians]\nHeron = { option = "Heron" }'), {})


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('[daemon]\nhttp_port = "x"', 'daemon.http_port ({path}): found "x", expected a whole number'),
        (
            "[daemon]\nhttp_port = 70000",
            "daemon.http_port ({path}): found 70000, expected a whole number from 0 to 65535",
        ),
        ("[daemon]\nhttp_port = true", "daemon.http_port ({path}): found true, expected a whole number"),
        (
            '[daemon]\ntimezone = "Mars/Olympus"',
            (
                'daemon.timezone ({path}): found "Mars/Olympus", '
                'expected the name of a time zone, such as "America/New_York"'
            ),
        ),
        (
            '[daemon]\ntimezone = "../etc/passwd"',
            (
                'daemon.timezone ({path}): found "../etc/passwd", '
                'expected the name of a time zone, such as "America/New_York"'
            ),
        ),
        (
            '[daemon]\nlog_level = "loud"',
            (
                'daemon.log_level ({path}): found "loud", '
                'expected "debug" or "info" or "warning" or "error" or "critical"'
            ),
        ),
        ('[daemon]\ndata_dir = ""', 'daemon.data_dir ({path}): found "", expected a path'),
        (
            "[sync]\nfresh_interval = 15",
            (
                "sync.fresh_interval ({path}): found 15, "
                'expected a duration with its unit, such as "15s" or "15ms"'
            ),
        ),
        (
            '[sync]\nfresh_interval = "0s"',
            'sync.fresh_interval ({path}): found "0s", expected a duration of more than zero',
        ),
        (
            '[sync]\nfull_cron = "0 2 * *"',
            (
                'sync.full_cron ({path}): found "0 2 * *", expected five cron fields '
                '(minute hour day month weekday), such as "*/5 * * * *"'
            ),
        ),
        (
            '[sync]\nfull_cron = "61 2 * * *"',
            (
                'sync.full_cron ({path}): found "61 2 * * *", expected five cron fields '
                '(minute hour day month weekday), such as "*/5 * * * *"'
            ),
        ),
        (
            '[sync]\nfull_cron = "0 2 30 2 *"',
            (
                'sync.full_cron ({path}): found "0 2 30 2 *", expected five cron fields '
                '(minute hour day month weekday), such as "*/5 * * * *"'
            ),
        ),
        (
            '[sync]\nresources = "jobs"',
            (
                'sync.resources ({path}): found "jobs", '
                'expected a list of strings, such as ["customers", "jobs"]'
            ),
        ),
        (
            "[servicetitan]\nrequests_per_second = 0",
            "servicetitan.requests_per_second ({path}): found 0, expected a number above zero",
        ),
        (
            "[servicetitan]\nrequests_per_second = inf",
            "servicetitan.requests_per_second ({path}): found inf, expected a number above zero",
        ),
        (
            '[servicetitan]\ntenant_id = "acme"',
            'servicetitan.tenant_id ({path}): found "acme", expected digits only',
        ),
        (
            '[servicetitan]\napi_url = "api.example.com"',
            (
                'servicetitan.api_url ({path}): found "api.example.com", '
                "expected http://host or https://host, without credentials"
            ),
        ),
        (
            "[servicetitan]\nclient_secret = 12345",
            "servicetitan.client_secret ({path}): found something else than text, expected a string",
        ),
        (
            f'[database]\nurl = "mysql://u:{HIDDEN}@h/d"',
            (
                "database.url ({path}): found text that is not shown, "
                "expected postgresql://... or postgres://..."
            ),
        ),
        (
            f'[database]\nurl = "{HIDDEN}"',
            (
                "database.url ({path}): found text that is not shown, "
                "expected postgresql://... or postgres://..."
            ),
        ),
        (
            "[messaging]\nmax_per_day = 12",
            "messaging.max_per_week: found 10, expected at least max_per_day (12)",
        ),
        (
            '[messaging]\nquiet_hours = "9pm"',
            (
                'messaging.quiet_hours ({path}): found "9pm", '
                'expected "HH:MM-HH:MM", such as "21:00-08:00", or "" for none'
            ),
        ),
        ("daemon = 5", "daemon ({path}): found a value, expected a section: [daemon]"),
        ("[daemon]\nhttp_prt = 1", "daemon.http_prt ({path}): unknown key; did you mean daemon.http_port?"),
        ("[deamon]\nhttp_port = 1", "deamon ({path}): unknown key; did you mean daemon?"),
        ('tenant_id = "1"', "tenant_id ({path}): unknown key; did you mean servicetitan.tenant_id?"),
        ("[zzz]\nqqq = 1", "zzz ({path}): unknown key"),
        (
            f'[servicetitan]\nclient_secrets = "{HIDDEN}"',
            "servicetitan.client_secrets ({path}): unknown key; did you mean servicetitan.client_secret?",
        ),
    ],
)
def test_wrong_file_is_answered_with_one_sentence(write: Write, toml: str, expected: str) -> None:
    path = write(toml)
    with pytest.raises(ConfigError) as refusal:
        load(path, {})
    assert str(refusal.value) == expected.format(path=path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "PCD_DAEMON__HTP_PORT",
            "1",
            "PCD_DAEMON__HTP_PORT (environment): unknown key; did you mean PCD_DAEMON__HTTP_PORT?",
        ),
        (
            "PCD_DAEMON__HTTP_PORT",
            "",
            'daemon.http_port (environment PCD_DAEMON__HTTP_PORT): found "", expected a whole number',
        ),
        (
            "GHL_SYNC_ENABLED",
            "maybe",
            'ghl.enabled (environment GHL_SYNC_ENABLED): found "maybe", expected true or false',
        ),
        (
            "REDIS_URL",
            HIDDEN,
            (
                "redis.url (environment REDIS_URL): found text that is not shown, "
                "expected redis://... or rediss://... or unix://..."
            ),
        ),
        (
            "PCD_HEALTH__PROBES",
            "a,b",
            (
                'health.probes (environment PCD_HEALTH__PROBES): found "a,b", '
                "expected tables, each under [[health.probes]] in the file"
            ),
        ),
    ],
)
def test_wrong_environment_is_answered_with_its_name(name: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(None, {name: text})
    assert str(refusal.value) == expected


def test_everything_wrong_is_reported_at_once(write: Write) -> None:
    path = write("[daemon]\nhttp_prt = 1\nhttp_port = true\n[zzz]\na = 1")
    with pytest.raises(ConfigError) as refusal:
        load(path, {"LOG_LEVEL": "loud"})
    headline, *lines = str(refusal.value).splitlines()
    assert headline == "the configuration has 4 problems:"
    assert [line.split(" ")[3] for line in lines] == [
        "daemon.http_prt",
        "zzz",
        "daemon.http_port",
        "daemon.log_level",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[daemon\n", "is not valid TOML"),
        (b"a = 1\na = 2\n", "is not valid TOML"),
        (b"\xff\xfe", "is not a text file in UTF-8"),
    ],
)
def test_unreadable_file_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as refusal:
        load(path, {})
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(("name", "expected"), [("absent", "No such file"), (".", "Is a directory")])
def test_file_that_is_none_is_named(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(tmp_path / name, {})


def test_relative_paths_start_at_the_file(write: Write, tmp_path: Path) -> None:
    config = load(write('[daemon]\ndata_dir = "data"\n[workflows]\ndefinitions = "flows"'), {})
    assert config.daemon.data_dir == tmp_path / "data"
    assert config.daemon.control_socket == tmp_path / "data" / "control.sock"
    assert config.workflows.definitions == tmp_path / "flows"


@pytest.mark.parametrize(
    ("uid", "env", "expected"),
    [
        (0, {"HOME": "/root"}, "/var/lib/pcd"),
        (1000, {"HOME": "/home/x"}, "/home/x/.local/state/pcd"),
        (1000, {"HOME": "/home/x", "XDG_STATE_HOME": "/state"}, "/state/pcd"),
        (1000, {"PCD_DAEMON__DATA_DIR": "/data", "HOME": "/home/x"}, "/data"),
    ],
)
def test_data_lies_where_the_user_keeps_data(
    monkeypatch: pytest.MonkeyPatch, uid: int, env: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    daemon = load(None, env).daemon
    assert str(daemon.data_dir) == expected
    assert str(daemon.control_socket) == f"{expected}/control.sock"


@given(st.dictionaries(st.sampled_from(["daemon", "sync", "health", "zzz"]), st.text(), max_size=3))
def test_no_environment_does_worse_than_be_refused(env: dict[str, str]) -> None:
    names = {f"PCD_{name.upper()}__{text[:8].upper()}": text for name, text in env.items()}
    with contextlib.suppress(ConfigError):
        assert load(None, names).source is None
