"""What hangs on a contact: tags, notes, tasks, and the workflows that it was sent into.

Source: HighLevel API documents of 2026-06-19, ``apps/contacts.json``; integrators' reports: tags come
back in lower case, and a draft takes contacts in without doing anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pcd.sim.ghl import refusals, values, wire
from pcd.sim.ghl.endpoint import Ask, Endpoint, Reply
from pcd.sim.ghl.records import Enrolment, Note, Task
from pcd.sim.ghl.schema import FLAG, NEEDED, TEXT, Kind, Property, Schema

if TYPE_CHECKING:
    from pcd.sim.ghl.contacts import Contacts
    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.store import Store

_READ, _WRITE = "contacts.readonly", "contacts.write"
_TAGS: Schema = {"tags": Property(kind=Kind.TEXTS, required=True)}
_BULK_TAGS: Schema = {
    "contacts": Property(kind=Kind.TEXTS, required=True),
    "tags": Property(kind=Kind.TEXTS, required=True),
    "locationId": NEEDED,
    "removeAllTags": FLAG,
}
_NOTE: Schema = {"body": TEXT, "userId": TEXT, "title": TEXT, "color": TEXT, "pinned": FLAG}
_TASK: Schema = {
    "title": TEXT,
    "body": TEXT,
    "dueDate": Property(kind=Kind.INSTANT),
    "completed": FLAG,
    "assignedTo": TEXT,
}
_NEW_NOTE: Schema = {**_NOTE, "body": NEEDED}
_NEW_TASK: Schema = {
    **_TASK,
    "title": NEEDED,
    "dueDate": Property(kind=Kind.INSTANT, required=True),
    "completed": Property(kind=Kind.FLAG, required=True),
}
_DONE: Schema = {"completed": Property(kind=Kind.FLAG, required=True)}
_ENROLMENT: Schema = {"eventStartTime": TEXT}
_NOTE_NAMES = {"body": "body", "userId": "user_id", "title": "title", "color": "color", "pinned": "pinned"}
_TASK_NAMES = {
    "title": "title",
    "body": "body",
    "dueDate": "due_date",
    "completed": "completed",
    "assignedTo": "assigned_to",
}


class Attachments:
    """Answers the requests about what hangs on a contact."""

    def __init__(self, store: Store, settings: GhlSimSettings, *, contacts: Contacts) -> None:
        """Work on *store*."""
        self._store = store
        self._settings = settings
        self._contacts = contacts

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what is answered here."""
        tags, notes, tasks = (f"/contacts/{{contactId}}/{name}" for name in ("tags", "notes", "tasks"))
        bulk, workflow = "/contacts/bulk/tags/update/{type}", "/contacts/{contactId}/workflow/{workflowId}"
        return tuple(
            Endpoint(method=method, path=path, scope=scope, answer=answer, body=body)
            for method, path, scope, answer, body in (
                ("POST", bulk, _WRITE, self.tag_many, _BULK_TAGS),
                ("POST", tags, _WRITE, self.tag, _TAGS),
                ("DELETE", tags, _WRITE, self.untag, _TAGS),
                ("GET", notes, _READ, self.notes, None),
                ("POST", notes, _WRITE, self.add_note, _NEW_NOTE),
                ("GET", f"{notes}/{{id}}", _READ, self.note, None),
                ("PUT", f"{notes}/{{id}}", _WRITE, self.change_note, _NOTE),
                ("DELETE", f"{notes}/{{id}}", _WRITE, self.delete_note, None),
                ("GET", tasks, _READ, self.tasks, None),
                ("POST", tasks, _WRITE, self.add_task, _NEW_TASK),
                ("GET", f"{tasks}/{{taskId}}", _READ, self.task, None),
                ("PUT", f"{tasks}/{{taskId}}", _WRITE, self.change_task, _TASK),
                ("PUT", f"{tasks}/{{taskId}}/completed", _WRITE, self.change_task, _DONE),
                ("DELETE", f"{tasks}/{{taskId}}", _WRITE, self.delete_task, None),
                ("POST", workflow, _WRITE, self.enrol, _ENROLMENT),
                ("DELETE", workflow, _WRITE, self.withdraw, _ENROLMENT),
            )
        )

    def tag(self, ask: Ask) -> Reply:
        """Add tags; answer all that the contact has then."""
        return Reply(status=201, body={"tags": self._tag(ask.parts["contactId"], add=ask.body["tags"])})

    def untag(self, ask: Ask) -> Reply:
        """Remove tags; answer those that are left."""
        return Reply(body={"tags": self._tag(ask.parts["contactId"], remove=ask.body["tags"])})

    def tag_many(self, ask: Ask) -> Reply:
        """Add tags to, or remove them from, many contacts."""
        kind, body = ask.parts["type"], ask.body
        if kind not in ("add", "remove"):
            message = "type must be one of the following values: add, remove"
            raise refusals.unprocessable([message], trace=self._store.ids.trace())
        known = [one for one in body["contacts"] if one in self._store.contacts]
        for contact_id in known:
            if body.get("removeAllTags"):
                self._tag(contact_id, remove=self._store.contacts[contact_id].tags)
            self._tag(contact_id, **{kind: body["tags"]})
        errors = len(body["contacts"]) - len(known)
        return Reply(status=201, body={"succeded": True, "errorCount": errors, "responses": known})

    def notes(self, ask: Ask) -> Reply:
        """Answer the notes of a contact, the newest first."""
        contact_id = self._contacts.contact(ask.parts["contactId"]).id
        found = reversed(self._store.notes.find("contact", contact_id))
        return Reply(body={"notes": [wire.note(one) for one in found]})

    def add_note(self, ask: Ask) -> Reply:
        """Write a note."""
        contact_id = self._contacts.contact(ask.parts["contactId"]).id
        note_id, now = self._store.ids.next(), self._store.clock.now()
        note = Note(id=note_id, contact_id=contact_id, added_at=now, **_named(ask.body, _NOTE_NAMES))
        return Reply(status=201, body={"note": wire.note(self._store.notes.put(note))})

    def note(self, ask: Ask) -> Reply:
        """Answer one note."""
        return Reply(body={"note": wire.note(self._note(ask))})

    def change_note(self, ask: Ask) -> Reply:
        """Change a note."""
        changed = replace(self._note(ask), **_named(ask.body, _NOTE_NAMES))
        return Reply(body={"note": wire.note(self._store.notes.put(changed))})

    def delete_note(self, ask: Ask) -> Reply:
        """Delete a note."""
        self._store.notes.remove(self._note(ask).id)
        return Reply(body={"succeded": True})

    def tasks(self, ask: Ask) -> Reply:
        """Answer the tasks of a contact."""
        contact_id = self._contacts.contact(ask.parts["contactId"]).id
        return Reply(
            body={"tasks": [wire.task(one) for one in self._store.tasks.find("contact", contact_id)]}
        )

    def add_task(self, ask: Ask) -> Reply:
        """Set a task."""
        contact_id = self._contacts.contact(ask.parts["contactId"]).id
        task = Task(id=self._store.ids.next(), contact_id=contact_id, **_named(ask.body, _TASK_NAMES))
        return Reply(status=201, body={"task": wire.task(self._store.tasks.put(task))})

    def task(self, ask: Ask) -> Reply:
        """Answer one task."""
        return Reply(body={"task": wire.task(self._task(ask))})

    def change_task(self, ask: Ask) -> Reply:
        """Change a task, or only whether it is done."""
        changed = replace(self._task(ask), **_named(ask.body, _TASK_NAMES))
        return Reply(body={"task": wire.task(self._store.tasks.put(changed))})

    def delete_task(self, ask: Ask) -> Reply:
        """Delete a task."""
        self._store.tasks.remove(self._task(ask).id)
        return Reply(body={"succeded": True})

    def enrol(self, ask: Ask) -> Reply:
        """Send a contact into a workflow: 200 always, but a draft and a second time do nothing."""
        contact_id, workflow_id = self._enrolled(ask)
        active = any(
            one.ran and (one.contact_id, one.workflow_id) == (contact_id, workflow_id)
            for one in self._store.enrolments
        )
        ran = self._store.workflows[workflow_id].status == "published" and not active
        self._store.enrolments.append(
            Enrolment(contact_id=contact_id, workflow_id=workflow_id, ran=ran, at=self._store.clock.now())
        )
        return Reply(body={"succeded": True})

    def withdraw(self, ask: Ask) -> Reply:
        """Take a contact out of a workflow."""
        pair = self._enrolled(ask)
        self._store.enrolments[:] = [
            one for one in self._store.enrolments if (one.contact_id, one.workflow_id) != pair
        ]
        return Reply(body={"succeded": True})

    def _enrolled(self, ask: Ask) -> tuple[str, str]:
        contact_id = self._contacts.contact(ask.parts["contactId"]).id
        workflow_id = ask.parts["workflowId"]
        if workflow_id not in self._store.workflows:
            raise refusals.missing("Workflow", workflow_id)
        return contact_id, workflow_id

    def _tag(self, contact_id: str, *, add: list[str] | None = None, remove: Any = ()) -> list[str]:  # noqa: ANN401
        contact = self._contacts.contact(contact_id)
        gone = set(values.tags(remove))
        kept = tuple(tag for tag in values.tags([*contact.tags, *(add or [])]) if tag not in gone)
        if kept != contact.tags:
            self._store.contacts.put(replace(contact, tags=kept, updated_at=self._store.clock.now()))
        return list(kept)

    def _note(self, ask: Ask) -> Note:
        found = self._store.notes.get(ask.parts["id"])
        if found is None or found.contact_id != ask.parts["contactId"]:
            raise refusals.missing("Note", ask.parts["id"])
        return found

    def _task(self, ask: Ask) -> Task:
        found = self._store.tasks.get(ask.parts["taskId"])
        if found is None or found.contact_id != ask.parts["contactId"]:
            raise refusals.missing("Task", ask.parts["taskId"])
        return found


def _named(body: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {attribute: body[name] for name, attribute in names.items() if body.get(name) is not None}
