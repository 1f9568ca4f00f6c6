"""What each action must be told, as definitions write it.

Texts may hold facts: ``{{ customer.name }}``, or in the old form ``{customer.name}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pcd.config import durations
from pcd.crm.desired import Stage
from pcd.messages import compose

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Tags = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(min_length=1)]
Scalar = str | int | float | bool | None


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every action's parameters; ValueError from a check becomes msgspec's ValidationError."""


class SendSms(Parameters, frozen=True):
    """``send_sms``: a template's name, or the text itself."""

    template: str = ""
    text: Annotated[str, Meta(max_length=1_600)] = ""

    def __post_init__(self) -> None:
        """Refuse both, neither, and a text that cannot be read."""
        _exactly_one("template", self.template, "text", self.text)
        compose.parse(self.text)


class SendEmail(Parameters, frozen=True):
    """``send_email``: a template's name, or *subject* and *text*; a text that begins with ``<`` is HTML."""

    template: str = ""
    subject: Annotated[str, Meta(max_length=500)] = ""
    text: Annotated[str, Meta(max_length=50_000)] = ""

    def __post_init__(self) -> None:
        """Refuse both, neither, a text without a subject, and what cannot be read."""
        _exactly_one("template", self.template, "text", self.text)
        if self.text and not self.subject:
            raise ValueError("a text needs a subject")
        compose.parse(self.subject)
        compose.parse(self.text)


class MoveOpportunity(Parameters, frozen=True):
    """``move_opportunity``: to a stage by its key in ``config.toml``; the stage says the pipeline.

    *status* is set along where it is given.
    """

    stage: Stage
    status: Literal["", "open", "won", "lost", "abandoned"] = ""


class UpsertContact(Parameters, frozen=True):
    """``upsert_contact``: the customer becomes a contact, or the contact what the customer is."""


class AddNote(Parameters, frozen=True):
    """``add_note`` to the customer's contact."""

    body: Text

    def __post_init__(self) -> None:
        """Refuse a text that cannot be read."""
        compose.parse(self.body)


class AddTags(Parameters, frozen=True):
    """``add_tags`` to the customer's contact."""

    tags: Tags


class RemoveTags(Parameters, frozen=True):
    """``remove_tags`` from the customer's contact."""

    tags: Tags


class CreateTask(Parameters, frozen=True):
    """``create_task`` on the customer's contact, due that long from now, for a GoHighLevel user's id."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    body: Annotated[str, Meta(max_length=5_000)] = ""
    due_in: str = "1d"
    assigned_to: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be read."""
        durations.parse(self.due_in)
        compose.parse(self.title)
        compose.parse(self.body)


class EnrolInGhlWorkflow(Parameters, frozen=True):
    """``enrol_in_ghl_workflow``: the customer's contact into a workflow of theirs, by its id."""

    workflow_id: Annotated[str, Meta(min_length=1, max_length=100)]


class PostWebhook(Parameters, frozen=True):
    """``post_webhook``: to one of ``[[workflows.webhooks]]`` by name, or to an address without a secret.

    The body is ``{event_id, type, occurred_at, data}`` with *data* rendered; without *data* it is what is
    known of the instance.
    """

    webhook: str = ""
    url: str = ""
    data: Mapping[str, Any] = {}
    into: Name | None = None

    def __post_init__(self) -> None:
        """Refuse both, neither, an address that is not a web address, and texts that cannot be read."""
        _exactly_one("webhook", self.webhook, "url", self.url)
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        compose.parse_all(self.data)


class PostSlack(Parameters, frozen=True):
    """``post_slack``: to ``[alerts.slack]``, or to one of ``[[workflows.webhooks]]`` by name."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    webhook: str = ""

    def __post_init__(self) -> None:
        """Refuse a text that cannot be read."""
        compose.parse(self.text)


class Query(Parameters, frozen=True):
    """``query``: rows of one read-only SELECT *into* the context, at most *max_rows*.

    ``$1``, ``$2`` ... are the *parameters* in order: the name of a fact in braces, or the value itself.
    With *single* the context gets the first row, or nothing, in place of a list.
    """

    sql: Text
    into: Name
    parameters: tuple[Scalar, ...] = ()
    max_rows: Annotated[int, Meta(ge=1, le=1_000)] = 100
    single: bool = False


class Wait(Parameters, frozen=True):
    """``wait``: that long."""

    for_: str = msgspec.field(name="for")

    def __post_init__(self) -> None:
        """Refuse what is no duration."""
        durations.parse(self.for_)


class AskAgent(Parameters, frozen=True):
    """``ask_agent``: what Claude shall do, with nothing but the actions of *allow*.

    The budget of the step: *max_calls* to the model, *max_tokens* of its answers in all, *max_seconds*.
    """

    instruction: Text
    allow: Annotated[tuple[str, ...], Meta(min_length=1)] = ("send_sms",)
    max_calls: Annotated[int, Meta(ge=1, le=10)] = 2
    max_tokens: Annotated[int, Meta(ge=64, le=8_000)] = 1_000
    max_seconds: Annotated[int, Meta(ge=1, le=300)] = 25

    def __post_init__(self) -> None:
        """Refuse actions that are not for an agent, and a text that cannot be read."""
        for name in self.allow:
            if name not in FOR_AGENTS:
                raise ValueError(f"allow: {name!r} is none of {', '.join(FOR_AGENTS)}")
        compose.parse(self.instruction)


FOR_AGENTS = ("send_sms", "send_email", "add_note", "add_tags", "create_task")
"""The actions that a workflow may hand to an agent."""


def _exactly_one(first: str, first_value: str, second: str, second_value: str) -> None:
    if bool(first_value) == bool(second_value):
        raise ValueError(f"give {first} or {second}, one of the two")
