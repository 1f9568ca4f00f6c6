"""Everything that a step can do, one action a module.

`CATALOGUE` says which actions there are, and can be read without any of them; `build` makes them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.actions import parameters as p
from pcd.workflows.catalogue import ActionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.ghl.client import GoHighLevel
    from pcd.workflows.action import Action
    from pcd.workflows.catalogue import Catalogue

_KINDS = (
    ActionKind(
        name="send_sms",
        parameters=p.SendSms,
        meaning="Sends a text message to the customer.",
        is_message=True,
    ),
    ActionKind(
        name="send_email", parameters=p.SendEmail, meaning="Sends an e-mail to the customer.", is_message=True
    ),
    ActionKind(
        name="move_opportunity",
        parameters=p.MoveOpportunity,
        meaning="Moves the customer's GoHighLevel opportunity to a stage, and sets its status.",
    ),
    ActionKind(
        name="upsert_contact",
        parameters=p.UpsertContact,
        meaning="Makes the customer a GoHighLevel contact, or brings the contact up to date.",
    ),
    ActionKind(name="add_note", parameters=p.AddNote, meaning="Adds a note to the GoHighLevel contact."),
    ActionKind(name="add_tags", parameters=p.AddTags, meaning="Adds tags to the GoHighLevel contact."),
    ActionKind(
        name="remove_tags", parameters=p.RemoveTags, meaning="Takes tags from the GoHighLevel contact."
    ),
    ActionKind(
        name="create_task", parameters=p.CreateTask, meaning="Creates a task on the GoHighLevel contact."
    ),
    ActionKind(
        name="enrol_in_ghl_workflow",
        parameters=p.EnrolInGhlWorkflow,
        meaning="Puts the GoHighLevel contact into a workflow of GoHighLevel's.",
    ),
    ActionKind(
        name="post_webhook", parameters=p.PostWebhook, meaning="Posts JSON to a webhook, such as n8n's."
    ),
    ActionKind(name="post_slack", parameters=p.PostSlack, meaning="Posts a message to a Slack channel."),
    ActionKind(
        name="query", parameters=p.Query, meaning="Puts the rows of a read-only SELECT into the context."
    ),
    ActionKind(name="wait", parameters=p.Wait, meaning="Waits."),
    ActionKind(
        name="ask_agent",
        parameters=p.AskAgent,
        meaning="Has Claude carry out an instruction with the actions that the step allows.",
        is_message=True,
    ),
)

CATALOGUE: Catalogue = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every action by its word in definitions."""


def build(
    config: Config, *, db: Database, ghl: GoHighLevel | None, clock: Clock, country: str = "US"
) -> Mapping[str, Action]:
    """Return every action of the catalogue, ready to be performed; nothing is opened yet.

    Without *ghl* what needs GoHighLevel says so when it is performed. Phone numbers without a country
    are *country*'s. Raises ConfigError for a provider that cannot carry what it is configured for.
    """
    from pcd.actions.builder import built

    actions = built(config, db=db, ghl=ghl, clock=clock, country=country)
    assert [(one.name, one.parameters, one.is_message) for one in actions] == [
        (kind.name, kind.parameters, kind.is_message) for kind in _KINDS
    ]
    return MappingProxyType({action.name: action for action in actions})
