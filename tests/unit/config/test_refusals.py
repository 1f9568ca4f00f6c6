"""What is said about a configuration that is wrong."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.config.conftest import HIDDEN

from pcd.config import load
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from unit.config.conftest import Write


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
        (b'[daemon]\ntimezone = "UTC\n', r"a text ends without its closing .* \(at line 2, column 16\)"),
        (b"\xff\xfe", "is not a text file in UTF-8"),
        (b"\xef\xbb\xbf[daemon\n", r"is not valid TOML: Expected '\]'"),
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


@given(st.dictionaries(st.sampled_from(["daemon", "sync", "health", "zzz"]), st.text(), max_size=3))
def test_no_environment_does_worse_than_be_refused(env: dict[str, str]) -> None:
    names = {f"PCD_{name.upper()}__{text[:8].upper()}": text for name, text in env.items()}
    with contextlib.suppress(ConfigError):
        assert load(None, names).source is None
