"""Every event that pcd knows, declared once each, by what it is about."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.events.rules import appointments, calls, customers, estimates, invoices, jobs, memberships

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.events.event import EventRule

_MODULES = (customers, jobs, appointments, estimates, invoices, memberships, calls)

RULES: Mapping[str, EventRule] = MappingProxyType(
    {rule.type: rule for module in _MODULES for rule in module.RULES}
)
"""Every rule by its event's type; rules of one resource stand in the order in which their facts follow."""
