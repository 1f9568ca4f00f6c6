"""Everything strange that a decision may meet, declared once: what it is, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Declared:
    """*input* is what was met, *outcome* what comes of it; both for people."""

    input: str
    outcome: str


class Oddity(Enum):
    """What a `pcd.crm.desired.Note` may be about. The table in ``docs/crm.md`` is made from this."""

    NO_KEY = Declared(
        "neither a usable phone nor a usable e-mail",
        "No contact is made until there is one: it could not be found again. A linked one is kept in step.",
    )
    NO_NAME = Declared("no name", "Called `Customer 123`, by ServiceTitan's id.")
    NAME_WITHOUT_LETTERS = Declared("a name of emojis or signs only", "Taken as it is.")
    LONG_NAME = Declared(
        "a very long name", "Cut to 255 characters with an ellipsis; the end of an opportunity's name stays."
    )
    FOREIGN_PHONE = Declared("a number of another country", "Sent as E.164 with its own country code.")
    BROKEN_PHONE = Declared(
        "a number that is none",
        "Not sent; the customer's next one is. Without any, what GoHighLevel has stays, and the e-mail alone"
        " identifies.",
    )
    PHONE_EXTENSION = Declared("a number with an extension", "Sent without it.")
    BROKEN_EMAIL = Declared(
        "an e-mail with a space in it, or otherwise none",
        "Not sent; the customer's next one is. Without any, what GoHighLevel has stays, and the phone alone"
        " identifies.",
    )
    DO_NOT_CONTACT = Declared(
        "a customer who wants no contact",
        "Shown, with GoHighLevel's do-not-disturb set; lifting it is left to a person.",
    )
    DO_NOT_SERVICE = Declared(
        "a customer who is not to be served", "No opportunity is opened; what is open goes on."
    )
    INACTIVE = Declared(
        "an inactive customer", "Nothing is made for it; what is there goes on with its jobs."
    )
    MERGED = Declared(
        "a merged customer",
        "Its contact and opportunities become those of the other customer. If that one has its own, the"
        " contact is left alone; where the jobs went over, its open and won opportunities become abandoned.",
    )
    ZERO_ESTIMATE = Declared(
        "an estimate of 0 dollars", "No proposal, and dismissing it loses nothing; sold it is a sale of 0."
    )
    NEGATIVE_ESTIMATE = Declared(
        "a negative estimate",
        "Neither proposal nor sale. Sold beside another it lessens the value, to 0 at the lowest.",
    )
    NO_AMOUNT = Declared("an estimate without an amount", "Left out until it has one.")
    ESTIMATE_WITHOUT_JOB = Declared(
        "an estimate without a job", "A proposal like any other, without a link to a job."
    )
    STRANGE_ESTIMATE = Declared("an estimate with a status that is not known", "Left out until it has one.")
    STRANGE_JOB = Declared(
        "a job with a status that is not known", "Counts as scheduled, and moves no install."
    )
    UNIT_OFF = Declared(
        "an estimate of a business unit without a pipeline, while another unit has one",
        "Not pushed: it moves nothing and adds no value.",
    )
    UNKNOWN_TECHNICIAN = Declared(
        "a technician who is not in `[ghl.technicians]`", "Left out of the field; the others are shown."
    )
    UNKNOWN_OPTION = Declared(
        "a technician whose option the field does not have",
        "Left out of the field: GoHighLevel would drop it without a word.",
    )
    NO_STAGE = Declared(
        "a stage or pipeline that is not in the account (any more)",
        "The move waits until it is there again, and an opportunity is not made; name, value and all other"
        " stages go on.",
    )
    INSTALL_CANCELED = Declared(
        "an install that was canceled after it had begun to move", "The opportunity stays where it is."
    )
    UNSOLD = Declared("a sale that was taken back", "The one way back: the stage follows what is left.")
    REVIVED = Declared(
        "a lost one that is offered or sold again", "The same opportunity is opened again, no new one made."
    )
    RESET = Declared(
        "a new cycle where a contact may have one opportunity only",
        "The old one is reset for the new cycle, by a call that says so.",
    )
    WAITS = Declared(
        "the same while an install of the old cycle is under way", "The new cycle waits until it is done."
    )
