"""The one way to ask GoHighLevel something, and to tell it something."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pcd.errors import Rejected
from pcd.fetcher import open_session
from pcd.ghl import decode, paginate
from pcd.ghl.authenticator import PrivateToken
from pcd.ghl.caller import Caller
from pcd.ghl.classify import is_missing
from pcd.ghl.limiter import Limiter
from pcd.ghl.oauth import OAuth
from pcd.ghl.request import place, read, search, write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pcd.clock import Clock
    from pcd.config import GhlConfig
    from pcd.ghl.authenticator import Authenticator
    from pcd.ghl.limiter import Claim
    from pcd.ghl.oauth import GrantStore
    from pcd.ghl.request import Request
    from pcd.ghl.shapes import (
        Budget,
        Contact,
        CustomField,
        Message,
        MessageKind,
        Note,
        Opportunity,
        Pipeline,
        RemoteWorkflow,
        Subaccount,
        Task,
        User,
    )

T = TypeVar("T")

_KEEP_ALIVE = timedelta(seconds=20)


class GoHighLevel:
    """One subaccount of GoHighLevel. Safe to use from any number of tasks at once.

    *fields* are the API's own JSON names and values (``firstName``, ``pipelineStageId``,
    ``customFields`` as ``[{"id": ..., "field_value": ...}]``); the subaccount's id is added where it
    belongs. An unknown one is refused with 422.

    Every method raises, when waiting could not help, Unauthorized, RateLimited, Unavailable, WrongPlace
    (scope, subaccount, version), Rejected or Malformed. A write is never sent again once it may have
    arrived: it raises NoAnswer then. What a call names may be gone: `is_missing` tells.

    *low_priority* calls let all others go first, and are slowed and then held (RateLimited, with the
    seconds) before the day's budget runs out.
    """

    def __init__(self, settings: GhlConfig, *, caller: Caller) -> None:
        """Remember whom to ask for; nothing is asked yet."""
        self.settings, self.caller = settings, caller

    @property
    def budget(self) -> Budget:
        """The day's calls, as GoHighLevel counts them."""
        return self.caller.limiter.budget

    async def get_contact(self, contact_id: str, *, low_priority: bool = False) -> Contact | None:
        """Return the contact as it is this moment (a search lags behind), or None when there is none."""
        request = read(place("contacts", contact_id), low_priority=low_priority)
        return await self._find(request, lambda body: decode.one(body, "contact", decode.contact))

    async def find_duplicate(
        self, *, email: str = "", phone: str = "", low_priority: bool = False
    ) -> Contact | None:
        """Return the contact that GoHighLevel takes for the owner of this *email* or *phone* (E.164).

        Exactly one of them is given: of two it would follow one and not say which.
        """
        if bool(email) == bool(phone):
            raise ValueError("a duplicate is looked for by exactly one key")
        params = {"locationId": self._location, **({"email": email} if email else {"number": phone})}
        request = read("/contacts/search/duplicate", params, low_priority=low_priority)
        return await self._find(request, lambda body: decode.one_or_none(body, "contact", decode.contact))

    async def create_contact(self, fields: Mapping[str, Any], *, low_priority: bool = False) -> Contact:
        """Return the new contact. Raises Duplicate, with the id, when the subaccount has it already.

        A Rejected of status 422 may have created it all the same: look before trying again.

        Source: highlevel-api-docs, issue 64.
        """
        body = {**fields, "locationId": self._location}
        request = write("POST", "/contacts/", body, low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "contact", decode.contact))

    async def update_contact(
        self, contact_id: str, fields: Mapping[str, Any], *, low_priority: bool = False
    ) -> Contact:
        """Return the contact after *fields* were changed. ``tags`` would replace all of them."""
        request = write("PUT", place("contacts", contact_id), dict(fields), low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "contact", decode.contact))

    async def add_tags(self, contact_id: str, tags: Sequence[str], *, low_priority: bool = False) -> None:
        """Give the contact *tags* too; they come back in lower case."""
        await self._tag("POST", contact_id, tags, low_priority=low_priority)

    async def remove_tags(self, contact_id: str, tags: Sequence[str], *, low_priority: bool = False) -> None:
        """Take *tags* from the contact, of which it may have none."""
        await self._tag("DELETE", contact_id, tags, low_priority=low_priority)

    async def add_note(self, contact_id: str, body: str, *, low_priority: bool = False) -> str:
        """Return the id of a new note on the contact."""
        path = place("contacts", contact_id, "notes")
        request = write("POST", path, {"body": body}, low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "note", decode.note).id)

    async def notes(self, contact_id: str, *, low_priority: bool = False) -> tuple[Note, ...]:
        """Return the contact's notes, in their order."""
        request = read(place("contacts", contact_id, "notes"), low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "notes", decode.note))

    async def add_task(
        self,
        contact_id: str,
        *,
        title: str,
        due_at: datetime,
        body: str = "",
        assigned_to: str = "",
        low_priority: bool = False,
    ) -> str:
        """Return the id of a new open task on the contact; *assigned_to* is a user's id."""
        task = {"title": title, "dueDate": paginate.stamp(due_at), "completed": False}
        task |= {"body": body} if body else {}
        task |= {"assignedTo": assigned_to} if assigned_to else {}
        request = write("POST", place("contacts", contact_id, "tasks"), task, low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "task", decode.task).id)

    async def tasks(self, contact_id: str, *, low_priority: bool = False) -> tuple[Task, ...]:
        """Return the contact's tasks, in their order."""
        request = read(place("contacts", contact_id, "tasks"), low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "tasks", decode.task))

    async def enrol(self, contact_id: str, workflow_id: str, *, low_priority: bool = False) -> None:
        """Put the contact into a workflow of theirs. A draft accepts it and does nothing: see `workflows`."""
        path = place("contacts", contact_id, "workflow", workflow_id)
        await self._call(write("POST", path, {}, low_priority=low_priority), decode.done)

    async def workflows(self, *, low_priority: bool = False) -> tuple[RemoteWorkflow, ...]:
        """Return the subaccount's own automations; needs the scope ``workflows.readonly``."""
        request = read("/workflows/", {"locationId": self._location}, low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "workflows", decode.workflow))

    async def get_opportunity(self, opportunity_id: str, *, low_priority: bool = False) -> Opportunity | None:
        """Return the opportunity as it is this moment, or None when there is none."""
        request = read(place("opportunities", opportunity_id), low_priority=low_priority)
        return await self._find(request, lambda body: decode.one(body, "opportunity", decode.opportunity))

    async def create_opportunity(
        self, fields: Mapping[str, Any], *, low_priority: bool = False
    ) -> Opportunity:
        """Return the new opportunity; needs ``pipelineId``, ``name``, ``status`` and ``contactId``.

        Raises Duplicate, with the id, when the contact has one on the pipeline and the subaccount
        allows no second.
        """
        body = {**fields, "locationId": self._location}
        request = write("POST", "/opportunities/", body, low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "opportunity", decode.opportunity))

    async def update_opportunity(
        self, opportunity_id: str, fields: Mapping[str, Any], *, low_priority: bool = False
    ) -> Opportunity:
        """Return the opportunity after *fields* were changed. Moving it may raise Duplicate too."""
        path = place("opportunities", opportunity_id)
        request = write("PUT", path, dict(fields), low_priority=low_priority)
        return await self._call(request, lambda answer: decode.one(answer, "opportunity", decode.opportunity))

    async def opportunities_of(
        self, contact_id: str, *, low_priority: bool = False
    ) -> tuple[Opportunity, ...]:
        """Return the contact's opportunities of every pipeline and status, seconds old perhaps."""
        found: list[Opportunity] = []
        async for page in self._opportunities({"contact_id": contact_id}, low_priority=low_priority):
            found.extend(page)
        return tuple(found)

    async def contacts(
        self, *, updated_since: datetime | None = None, low_priority: bool = False
    ) -> AsyncIterator[Sequence[Contact]]:
        """Yield pages of all contacts, the oldest first, or of those *updated_since*, the newest first.

        The search lags behind by some seconds: begin a little earlier than the last time.
        """
        cursor: Sequence[Any] | None = None
        seen, is_more = 0, True
        while is_more:
            body = paginate.contact_search(self._location, updated_since=updated_since, after=cursor)
            request = search("/contacts/search", body, low_priority=low_priority)
            page = await self._call(request, decode.contact_page)
            fresh = paginate.since(page.contacts, updated_since)
            if fresh:
                yield fresh
            seen += len(page.contacts)
            cursor = paginate.next_contacts(page, cursor, seen=seen, size=body["pageLimit"])
            is_more = cursor is not None and len(fresh) == len(page.contacts)

    async def opportunities(
        self, *, updated_since: datetime | None = None, low_priority: bool = False
    ) -> AsyncIterator[Sequence[Opportunity]]:
        """Yield pages of the opportunities of every pipeline and status.

        With *updated_since* those that changed since; the API cannot select or sort by that, so it
        costs as many calls as all of them: one for a hundred.
        """
        async for page in self._opportunities({}, low_priority=low_priority):
            fresh = paginate.since(page, updated_since)
            if fresh:
                yield fresh

    async def pipelines(self, *, low_priority: bool = False) -> tuple[Pipeline, ...]:
        """Return the subaccount's pipelines."""
        request = read("/opportunities/pipelines", {"locationId": self._location}, low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "pipelines", decode.pipeline))

    async def custom_fields(
        self, model: Literal["contact", "opportunity"], *, low_priority: bool = False
    ) -> tuple[CustomField, ...]:
        """Return the fields that were added to contacts, or to opportunities."""
        path = place("locations", self._location, "customFields")
        request = read(path, {"model": model}, low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "customFields", decode.custom_field))

    async def users(self, *, low_priority: bool = False) -> tuple[User, ...]:
        """Return who works with the subaccount."""
        request = read("/users/", {"locationId": self._location}, low_priority=low_priority)
        return await self._call(request, lambda body: decode.many(body, "users", decode.user))

    async def subaccount(self, *, low_priority: bool = False) -> Subaccount:
        """Return the subaccount itself and its settings."""
        request = read(place("locations", self._location), low_priority=low_priority)
        return await self._call(request, lambda body: decode.one(body, "location", decode.subaccount))

    async def send_message(
        self,
        contact_id: str,
        *,
        kind: MessageKind,
        text: str,
        subject: str = "",
        html: str = "",
        low_priority: bool = False,
    ) -> str:
        """Return the id of the message that was sent to the contact's own number or address.

        It is billed and cannot be taken back. An e-mail without *html* is made of *text*.
        """
        message = {"type": kind, "contactId": contact_id}
        if kind == "SMS":
            message["message"] = text
        else:
            message |= {"subject": subject, "html": html or escape(text).replace("\n", "<br>\n")}
        request = write("POST", "/conversations/messages", message, low_priority=low_priority)
        return await self._call(request, decode.message_id)

    async def messages(
        self, contact_id: str, *, limit: int = 20, low_priority: bool = False
    ) -> tuple[Message, ...]:
        """Return the last *limit* messages from and to the contact, the newest first."""
        params = {"locationId": self._location, "contactId": contact_id, "limit": "1"}
        request = read("/conversations/search", params, low_priority=low_priority)
        found = await self._call(request, lambda body: decode.many(body, "conversations", decode.identity))
        if not found:
            return ()
        path = place("conversations", found[0], "messages")
        request = read(path, {"limit": str(limit)}, low_priority=low_priority)
        return await self._call(request, decode.messages)

    @property
    def _location(self) -> str:
        return self.settings.location_id

    async def _opportunities(
        self, params: Mapping[str, str], *, low_priority: bool
    ) -> AsyncIterator[Sequence[Opportunity]]:
        cursor: Mapping[str, str] | None = {}
        seen, totals = 0, set[int]()
        while cursor is not None:
            query = {"location_id": self._location, "status": "all", **params, **cursor}
            query["limit"] = str(paginate.MOST_OPPORTUNITIES)
            request = read("/opportunities/search", query, low_priority=low_priority)
            page = await self._call(request, decode.opportunity_page)
            yield page.opportunities
            seen += len(page.opportunities)
            totals |= set() if page.total is None else {page.total}
            least = min(totals, default=None)
            cursor = paginate.next_opportunities(page, cursor, seen=seen, total=least)

    async def _tag(
        self, method: Literal["POST", "DELETE"], contact_id: str, tags: Sequence[str], *, low_priority: bool
    ) -> None:
        path = place("contacts", contact_id, "tags")
        await self._call(write(method, path, {"tags": list(tags)}, low_priority=low_priority), decode.done)

    async def _find(self, request: Request, convert: Callable[[bytes], T]) -> T | None:
        try:
            return await self._call(request, convert)
        except Rejected as error:
            if is_missing(error):
                return None
            raise

    async def _call(self, request: Request, convert: Callable[[bytes], T]) -> T:
        return await self.caller.call(request, convert)


@asynccontextmanager
async def connect(
    config: GhlConfig,
    *,
    clock: Clock,
    token_path: Path | None = None,
    store: GrantStore | None = None,
    shared: Claim | None = None,
) -> AsyncGenerator[GoHighLevel]:
    """Yield a client with a session and a limiter of its own; nothing is asked yet.

    *token_path* is the file from which ``ghl.token`` was read (`pcd.ghl.authenticator.token_path`).
    With a *store* and ``ghl.oauth.client_id`` it lets itself in by OAuth instead. *shared* is what all
    processes may do together.
    """
    limiter = Limiter(clock=clock, calls=config.requests_per_10s, shared=shared)
    async with open_session(keep_alive=_KEEP_ALIVE) as session:
        authenticator: Authenticator = PrivateToken(config.token, path=token_path)
        if store is not None and config.oauth.client_id:
            authenticator = OAuth(config, store=store, session=session, clock=clock)
        caller = Caller(config, session=session, clock=clock, limiter=limiter, authenticator=authenticator)
        yield GoHighLevel(config, caller=caller)
