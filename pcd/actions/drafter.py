"""Writes the text of a message from a template or from the step's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.messages import reader
from pcd.messages.mail import is_html

if TYPE_CHECKING:
    from pcd.actions.teller import Teller
    from pcd.db.pool import Database
    from pcd.messages.message import Channel
    from pcd.workflows.action import StepCall


@dataclass(frozen=True, slots=True)
class Draft:
    """What a message says. *template* is the name of what it was made from, "" for the step's own words."""

    text: str
    subject: str = ""
    template: str = ""


class Drafter:
    """Reads templates at the moment of writing, so that a corrected one counts at once."""

    def __init__(self, db: Database, teller: Teller) -> None:
        self._db = db
        self._teller = teller

    async def write(self, call: StepCall, *, text: str, subject: str = "") -> Draft:
        """Return the step's own words with the facts in them; raises ValueError, naming a missing one."""
        said = await self._teller.say(call, text, html=is_html(text))
        return Draft(said, await self._teller.say(call, subject))

    async def fill(self, call: StepCall, template: str, *, channel: Channel) -> Draft:
        """Return what *template* says to this customer.

        Raises ValueError for a template that is not there, not active or for another channel, and
        names a variable that it requires and that is missing.
        """
        found = await reader.template(self._db, template)
        if found is None:
            raise ValueError(f"there is no template {template!r}")
        if not found.is_active:
            raise ValueError(f"template {template!r} is not active")
        if found.channel != channel:
            raise ValueError(f"template {template!r} is for {found.channel}, not for {channel}")
        required = await self._teller.facts(call, found.required)
        absent = [name for name, value in required.items() if value is None or value == ""]
        if absent:
            raise ValueError(f"template {template!r}: {', '.join(absent)} is missing")
        try:
            draft = await self.write(call, text=found.body, subject=found.subject)
        except ValueError as error:
            raise ValueError(f"template {template!r}: {error}") from error
        return Draft(draft.text, draft.subject, template)
