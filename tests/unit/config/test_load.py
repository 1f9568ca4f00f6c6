"""Where the configuration comes from, and who wins."""

from __future__ import annotations

import os
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from unit.config.conftest import HIDDEN

from pcd.config import Config, Secret, load
from pcd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from unit.config.conftest import Write


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
