"""Conversations: messages to a contact and what comes back, ``STOP`` included.

Source: HighLevel API documents of 2026-06-19, ``apps/conversations.json``; integrators' reports:
``subType`` and ``status``, required there, are left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pcd.sim.ghl import refusals, wire
from pcd.sim.ghl.endpoint import Ask, Endpoint, Reply
from pcd.sim.ghl.records import Conversation, Message
from pcd.sim.ghl.schema import NEEDED, NUMBER, TEXT, TEXTS, Property, Schema

if TYPE_CHECKING:
    from pcd.sim.ghl.contacts import Contacts
    from pcd.sim.ghl.records import Contact
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_READ, _WRITE = "conversations/message.readonly", "conversations/message.write"
_KINDS = ("SMS", "RCS", "Email", "WhatsApp", "IG", "FB", "Custom", "Live_Chat", "TIKTOK")
_SENT_AS = ("delivered", "failed", "pending", "read")
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_MESSAGE: Schema = {
    "type": Property(required=True, choices=_KINDS),
    "contactId": NEEDED,
    **dict.fromkeys(("subType", "message", "html", "subject", "emailFrom", "emailTo"), TEXT),
    **dict.fromkeys(("fromNumber", "toNumber", "replyMessageId", "templateId", "threadId"), TEXT),
    **dict.fromkeys(("conversationProviderId", "appointmentId"), TEXT),
    **dict.fromkeys(("attachments", "emailCc", "emailBcc"), TEXTS),
    "emailReplyMode": Property(choices=("reply", "reply_all")),
    "status": Property(choices=_SENT_AS),
    "scheduledTimestamp": NUMBER,
}
_CONVERSATION: Schema = {"locationId": NEEDED, "contactId": NEEDED}


class Conversations:
    """Answers the requests about conversations."""

    def __init__(self, store: Store, settings: GhlSimSettings, *, contacts: Contacts) -> None:
        """Work on *store*."""
        self._store = store
        self._settings = settings
        self._contacts = contacts

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what is answered here."""
        search = frozenset({"locationId", "contactId", "limit", "query", "startAfterDate", "sort", "sortBy"})
        return (
            Endpoint(
                method="POST",
                path="/conversations/",
                scope="conversations.write",
                answer=self.open,
                body=_CONVERSATION,
            ),
            Endpoint(
                method="GET",
                path="/conversations/search",
                scope="conversations.readonly",
                answer=self.search,
                query=search,
                needs=("locationId",),
            ),
            Endpoint(
                method="POST", path="/conversations/messages", scope=_WRITE, answer=self.send, body=_MESSAGE
            ),
            Endpoint(method="GET", path="/conversations/messages/{id}", scope=_READ, answer=self.message),
            Endpoint(
                method="GET",
                path="/conversations/{conversationId}/messages",
                scope=_READ,
                answer=self.messages,
                query=frozenset({"lastMessageId", "limit", "type"}),
            ),
        )

    def open(self, ask: Ask) -> Reply:
        """Begin the conversation with a contact, or answer the one that there is."""
        conversation = self._with(self._contacts.contact(ask.body["contactId"]))
        body = {
            "id": conversation.id,
            "contactId": conversation.contact_id,
            "locationId": self._settings.location_id,
            "dateAdded": wire.instant(conversation.added_at),
            "dateUpdated": wire.instant(conversation.updated_at),
        }
        return Reply(status=201, body={"success": True, "conversation": body})

    def search(self, ask: Ask) -> Reply:
        """Answer the conversations, the latest first; of one contact when asked."""
        contact_id = ask.query.get("contactId")
        shelf = self._store.conversations
        rows = shelf.find("contact", contact_id) if contact_id else list(shelf.values())
        rows.sort(key=lambda row: (row.updated_at, row.id), reverse=True)
        shown = rows[: int(ask.query.get("limit", "20"))]
        return Reply(body={"conversations": [self._wire(row) for row in shown], "total": len(rows)})

    def messages(self, ask: Ask) -> Reply:
        """Answer the messages of a conversation, the newest first."""
        conversation_id = ask.parts["conversationId"]
        if conversation_id not in self._store.conversations:
            raise refusals.missing("Conversation", conversation_id)
        rows = self._store.messages.find("conversation", conversation_id)[::-1]
        last = ask.query.get("lastMessageId")
        if last:
            ids = [row.id for row in rows]
            rows = rows[ids.index(last) + 1 :] if last in ids else []
        limit = int(ask.query.get("limit", "20"))
        shown = rows[:limit]
        body = {
            "lastMessageId": shown[-1].id if shown else "",
            "nextPage": len(rows) > limit,
            "messages": [wire.message(row, location_id=self._settings.location_id) for row in shown],
        }
        return Reply(body=body)

    def message(self, ask: Ask) -> Reply:
        """Answer one message."""
        found = self._store.messages.get(ask.parts["id"])
        if found is None:
            raise refusals.missing("Message", ask.parts["id"])
        return Reply(body=wire.message(found, location_id=self._settings.location_id))

    def send(self, ask: Ask) -> Reply:
        """Send a text message or an e-mail to a contact: billed and irreversible."""
        body = ask.body
        contact = self._contacts.contact(body["contactId"])
        kind = body["type"]
        self._check(contact, body)
        text = body.get("message") or body.get("html", "")
        message = self._record(
            contact,
            kind=kind,
            direction="outbound",
            body=text,
            subject=body.get("subject", ""),
            html=body.get("html", ""),
            to=contact.email if kind == "Email" else contact.phone,
        )
        answer = {
            "conversationId": message.conversation_id,
            "messageId": message.id,
            "status": "pending",
            "msg": f"{kind} queued successfully.",
        }
        return Reply(body=answer | ({"emailMessageId": self._store.ids.next()} if kind == "Email" else {}))

    def receive(self, contact_id: str, text: str, *, kind: str = "SMS") -> Message:
        """Let a contact write to us; ``STOP`` turns its text messages off. KeyError if unknown."""
        contact = self._store.contacts[contact_id]
        message = self._record(contact, kind=kind, direction="inbound", body=text)
        if kind == "SMS" and text.strip().upper() in _STOP and self._settings.stop_sets_dnd:
            dnd = {**contact.dnd_settings, "SMS": {"status": "active", "message": "STOP", "code": "inbound"}}
            self._store.contacts.put(replace(contact, dnd_settings=dnd, updated_at=self._store.clock.now()))
        return message

    def _check(self, contact: Contact, body: dict[str, Any]) -> None:
        kind, trace = body["type"], self._store.ids.trace()
        if kind not in ("SMS", "Email"):
            raise refusals.bad_request(f"No conversation provider found for {kind}.")
        if kind == "SMS" and not body.get("message"):
            raise refusals.unprocessable(
                ["There is no message or attachments for this message."], trace=trace
            )
        if kind == "Email" and not (body.get("html") or body.get("message")):
            raise refusals.unprocessable(["There is no html or message for this email."], trace=trace)
        if not (contact.phone if kind == "SMS" else contact.email):
            missing = "phone number" if kind == "SMS" else "email"
            raise refusals.bad_request(f"Missing {missing} for the contact.")
        state = contact.dnd_settings.get(kind, {}).get("status", "inactive")
        if contact.dnd or state != "inactive":
            raise refusals.bad_request(f"Cannot send message as DND is active for {kind}.")

    def _record(  # noqa: PLR0913 - what a message consists of
        self,
        contact: Contact,
        *,
        kind: str,
        direction: str,
        body: str,
        subject: str = "",
        html: str = "",
        to: str = "",
    ) -> Message:
        now = self._store.clock.now()
        conversation = self._store.conversations.put(replace(self._with(contact), updated_at=now))
        return self._store.messages.put(
            Message(
                id=self._store.ids.next(),
                conversation_id=conversation.id,
                contact_id=contact.id,
                kind=kind,
                direction=direction,
                body=body,
                subject=subject,
                html=html,
                to=to,
                added_at=now,
            )
        )

    def _with(self, contact: Contact) -> Conversation:
        held = self._store.conversations.find("contact", contact.id)
        if held:
            return held[0]
        now = self._store.clock.now()
        return self._store.conversations.put(
            Conversation(id=self._store.ids.next(), contact_id=contact.id, added_at=now, updated_at=now)
        )

    def _wire(self, row: Conversation) -> dict[str, Any]:
        contact = self._store.contacts.get(row.contact_id)
        messages = self._store.messages.find("conversation", row.id)
        last = messages[-1] if messages else None
        return {
            "id": row.id,
            "contactId": row.contact_id,
            "locationId": self._settings.location_id,
            "lastMessageBody": last.body if last else "",
            "lastMessageType": "TYPE_EMAIL" if last and last.kind == "Email" else "TYPE_SMS",
            "type": "TYPE_PHONE",
            "unreadCount": 0,
            "fullName": contact.name if contact else "",
            "contactName": contact.name if contact else "",
            "email": contact.email if contact else "",
            "phone": contact.phone if contact else "",
        }
