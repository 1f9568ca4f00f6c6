"""What the definitions of these tests may refer to."""

from __future__ import annotations

from pcd.actions import CATALOGUE
from pcd.messages import compose
from pcd.workflows.validate import Known, Template

KNOWN = Known(
    actions=CATALOGUE,
    facts_in=lambda text: compose.parse(text).facts,
    webhooks=frozenset({"n8n"}),
    templates={"estimate_sent": Template(channel="sms", facts=frozenset({"estimate.total"}))},
)
