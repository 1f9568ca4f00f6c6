"""How the embedded server is set up: pure text, from values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROLE = "pcd"
DATABASE = "pcd"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
FILE = "pcd.conf"
INCLUDE = (
    "\n# Written by pcd at each start. Your own settings: local.conf, which wins.\n"
    f"include_if_exists = '{FILE}'\ninclude_if_exists = 'local.conf'\n"
)
INITDB = (
    f"--username={ROLE}",
    "--auth=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)
# Nobody but the users of pg_ident.conf, and these without a password: the kernel says who they are.
PG_HBA = f"local all {ROLE} peer map=pcd\n"

_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "max_connections": "40",
        "shared_buffers": "128MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "128MB",
        # Keeps crash recovery short.
        "max_wal_size": "1GB",
        "checkpoint_timeout": "5min",
        "wal_compression": "pglz",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
        # Parallel work needs more of /dev/shm than a container has by default.
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        "random_page_cost": "1.5",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_directory": "log",
        # A file a weekday, each overwritten after a week.
        "log_filename": "postgres-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_line_prefix": "%m [%p] %a ",
        # Details and statements quote rows, and those are customers' data.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": "0",
    }
)


def postgresql_conf(*, socket_dir: Path, extra: Mapping[str, str]) -> str:
    """Return the settings file; *extra* wins over ours."""
    values = {**_SETTINGS, "unix_socket_directories": str(socket_dir), **extra}
    return "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in values.items())


def pg_ident(*, users: tuple[str, ...]) -> str:
    """Return the map of operating system users who may log in as our role."""
    return "".join(f'pcd "{user}" {ROLE}\n' for user in dict.fromkeys(users))
