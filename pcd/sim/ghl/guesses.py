"""What the simulator decides although nobody has published it.

Each line stands for a question that only a live sub-account can settle. Where a setting is named, it
chooses otherwise; code that holds under one choice alone is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guess:
    """*subject* is answered with *choice*; *setting* of `settings.GhlSimSettings` chooses otherwise."""

    subject: str
    choice: str
    setting: str = ""


GUESSES: Final = (
    Guess("body of a 429", "JSON with statusCode and message; injected ones come in text/plain too"),
    Guess("Retry-After of a 429", "sent, in seconds: the whole window", "retry_after"),
    Guess("form of the rate window", "sliding; refused calls are not counted", "window"),
    Guess("bucket of the rate window", "one for the sub-account, whatever the token", "window_calls"),
    Guess("daily counter", "begins anew at midnight UTC", "daily_calls"),
    Guess("place of the version check", "behind the token, before scope and location"),
    Guess("versions that are accepted", "the dated ones on every path; v3 speaks other names and is refused"),
    Guess("closed opportunities", "block another one on the pipeline", "closed_opportunity_blocks"),
    Guess("move between pipelines", "meets the rule of one opportunity too; without a stage: the first one"),
    Guess("order of matching contacts", "e-mail before phone", "match_order"),
    Guess("update to another contact's key", "400 as a create, while duplicates are not allowed"),
    Guess("search/duplicate", "immediate, not behind", "duplicate_search_lags"),
    Guess("opportunity search", "behind as contact search is", "opportunity_search_lags"),
    Guess("lag of searches", "a fixed time; reports say some seconds, one 20", "search_lag"),
    Guess("phone that cannot be one", "422", "invalid_phone"),
    Guess("extension of a phone", "lost"),
    Guess("e-mail that cannot be one", "422; the spelling is kept, matching ignores case"),
    Guess("name without first and last", "split at the first blank"),
    Guess("contact without any key", "accepted"),
    Guess("ids", "20 letters and digits"),
    Guess("record that there is not", "400 '<Kind> with id <id> not found', for every kind"),
    Guess("POST without the last slash", "404", "needs_slash"),
    Guess("unknown query parameters", "422, as reported for opportunity search, on every path"),
    Guess("source of an opportunity", "422: not in the schema, although many send it"),
    Guess("assignedTo a user that there is not", "accepted"),
    Guess("negative value of an opportunity", "accepted"),
    Guess("custom fields in an update", "merged by id; null and the empty string clear"),
    Guess("unknown custom field", "dropped in silence, as an unknown option is"),
    Guess("options of a multiple choice", "those that exist are kept, the others dropped"),
    Guess("opportunity's custom fields in answers", "fieldValueString and the like", "field_form"),
    Guess("keys of a date range", "gte, lte, gt, lt", "range_keys"),
    Guess("page together with searchAfter", "400"),
    Guess("default order of searches", "the newest first"),
    Guess("cursor of a search", "the sorted values and the id"),
    Guess("deleted contact", "takes its opportunities, notes and tasks along"),
    Guess("STOP", "the contact's SMS is turned off at once", "stop_sets_dnd"),
    Guess("message against DND", "400 unless its status is inactive"),
    Guess("message without a number or address", "400"),
    Guess("status of a message", "pending in the answer, delivered when read"),
    Guess("list of messages", "flat, as documented"),
    Guess("conversation search", "not behind"),
    Guess("delivery of webhooks", "when told; again after a 429 alone, though one guide says otherwise"),
    Guess("refusals of the token endpoint", "400 invalid_grant with a description"),
    Guess("422 after a create", "happens only when injected; reported once"),
)
