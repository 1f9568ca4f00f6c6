"""The configuration: ``load`` reads it once at the start, and everybody gets their section.

config = load(Path("config.toml"), os.environ)
config.servicetitan.client_secret.reveal()
"""

from __future__ import annotations

from pcd.config.load import load
from pcd.config.secret import Secret, Url
from pcd.config.shape import (
    AiConfig,
    AlertsConfig,
    BusinessConfig,
    Config,
    DaemonConfig,
    DatabaseConfig,
    EventsConfig,
    GhlConfig,
    HealthConfig,
    LeasesConfig,
    MessagingConfig,
    Probe,
    RedisConfig,
    ServiceTitanConfig,
    SyncConfig,
    WorkflowsConfig,
)

__all__ = [
    "AiConfig",
    "AlertsConfig",
    "BusinessConfig",
    "Config",
    "DaemonConfig",
    "DatabaseConfig",
    "EventsConfig",
    "GhlConfig",
    "HealthConfig",
    "LeasesConfig",
    "MessagingConfig",
    "Probe",
    "RedisConfig",
    "Secret",
    "ServiceTitanConfig",
    "SyncConfig",
    "Url",
    "WorkflowsConfig",
    "load",
]
