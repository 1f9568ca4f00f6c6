"""Puts the actions together: the one place that knows what each of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pcd.actions.add_note import AddNote
from pcd.actions.add_tags import AddTags
from pcd.actions.ask_agent import AskAgent
from pcd.actions.asker import Asker
from pcd.actions.courier import Courier
from pcd.actions.create_task import CreateTask
from pcd.actions.doer import Doer
from pcd.actions.drafter import Drafter
from pcd.actions.enrol_in_ghl_workflow import EnrolInGhlWorkflow
from pcd.actions.move_opportunity import MoveOpportunity
from pcd.actions.ower import Ower
from pcd.actions.post_slack import PostSlack
from pcd.actions.post_webhook import PostWebhook
from pcd.actions.query import QueryAction
from pcd.actions.remove_tags import RemoveTags
from pcd.actions.send_email import SendEmail
from pcd.actions.send_sms import SendSms
from pcd.actions.teller import Teller
from pcd.actions.upsert_contact import UpsertContact
from pcd.actions.wait import WaitAction
from pcd.crm.settings import LONG_AGO, settings_of
from pcd.messages.messenger import Messenger
from pcd.messages.reader import Policy
from pcd.messages.sender import senders
from pcd.messages.stopper import Stopper

if TYPE_CHECKING:
    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.ghl.client import GoHighLevel
    from pcd.workflows.action import Action


def messenger(
    config: Config, *, db: Database, ghl: GoHighLevel | None, clock: Clock, country: str
) -> Messenger:
    """Return the way to customers under *config*."""
    return Messenger(
        db,
        senders=senders(config, ghl=ghl, country=country, clock=clock),
        policy=Policy.of(config.messaging, zone=ZoneInfo(config.daemon.timezone), country=country),
        ghl=ghl,
        stopper=Stopper(db),
        clock=clock,
    )


def built(
    config: Config, *, db: Database, ghl: GoHighLevel | None, clock: Clock, country: str
) -> tuple[Action, ...]:
    """Return every action, in the order of the catalogue."""
    teller = Teller(ZoneInfo(config.daemon.timezone))
    drafter = Drafter(db, teller)
    courier = Courier(messenger(config, db=db, ghl=ghl, clock=clock, country=country), clock=clock)
    ower = Ower(db, config.ghl)
    webhooks = {webhook.name: webhook for webhook in config.workflows.webhooks}
    return (
        SendSms(drafter, courier),
        SendEmail(drafter, courier),
        MoveOpportunity(db, ower, settings_of(config, since=LONG_AGO).stages),
        UpsertContact(db, ower),
        AddNote(teller, ower),
        AddTags(ower),
        RemoveTags(ower),
        CreateTask(teller, ower, clock=clock),
        EnrolInGhlWorkflow(ower),
        PostWebhook(db, teller, webhooks),
        PostSlack(teller, config.alerts.slack.webhook_url, {name: one.url for name, one in webhooks.items()}),
        QueryAction(db, teller),
        WaitAction(clock),
        AskAgent(db, teller, Asker(config.ai), Doer(courier, ower, clock=clock)),
    )
