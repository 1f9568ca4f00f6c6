"""The error bodies of GoHighLevel: a text in a 400, a list of texts in a 422.

Source: integrators' reports, few in HighLevel's documents; highlevel-api-docs, issue 74 (a route that is
not wired); HighLevel API documents of 2026-06-19, ``common/common-schemas.json`` (no token).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pcd.sim.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcd.sim.ghl.records import Contact

INVALID_JWT = "Invalid JWT"
INVALID_TOKEN = "Invalid Private Integration token"  # noqa: S105 - a message
NO_TOKEN = "Invalid token: access token is invalid"  # noqa: S105 - a message
NO_SCOPE = "The token is not authorized for this scope."
NO_VERSION = "version header was not found."
BAD_VERSION = "version header is invalid"
WRONG_LOCATION = "The token does not have access to this location."
UNSUPPORTED = "This route is not yet supported by the IAM Service. Please update your IAM config."


def bad_request(message: str, **more: object) -> Problem:
    """Return a 400 with *message* and *more* members."""
    return _problem(400, {"statusCode": 400, "message": message, **more, "error": "Bad Request"})


def unprocessable(messages: Sequence[str], *, trace: str) -> Problem:
    """Return the 422 of a body that breaks the rules in *messages*."""
    body = {"message": list(messages), "error": "Unprocessable Entity", "statusCode": 422, "traceId": trace}
    return _problem(422, body)


def unauthorized(message: str) -> Problem:
    """Return a 401; only its message tells why."""
    if message == INVALID_JWT:
        return _problem(401, {"message": message})
    more = {"error": "Unauthorized"} if message == NO_TOKEN else {}
    return _problem(401, {"statusCode": 401, "message": message, **more})


def wrong_location() -> Problem:
    """Return the 403 of a token that belongs to another sub-account."""
    return _problem(403, {"statusCode": 403, "message": WRONG_LOCATION})


def no_route(method: str, path: str) -> Problem:
    """Return the 404 of a path that there is not."""
    return _problem(404, {"message": f"Cannot {method} {path}", "error": "Not Found", "statusCode": 404})


def missing(what: str, record_id: str) -> Problem:
    """Return the answer to a request for a record that there is not: a 400."""
    return bad_request(f"{what} with id {record_id} not found")


def duplicate_contact(contact: Contact, *, field: str, trace: str) -> Problem:
    """Return the 400 that names the contact which has this e-mail or phone already."""
    meta = {"contactId": contact.id, "contactName": contact.name, "matchingField": field}
    body = {
        "statusCode": 400,
        "message": "This location does not allow duplicated contacts.",
        "meta": meta,
        "traceId": trace,
    }
    return _problem(400, body)


def duplicate_opportunity(existing_id: str) -> Problem:
    """Return the 400 that names the opportunity which the contact has on the pipeline already."""
    return bad_request(
        "Can not create duplicate opportunity for the contact.",
        code="OPPORTUNITY_NO_DUPLICATE",
        meta={"existingId": existing_id},
    )


def invalid_grant(message: str) -> Problem:
    """Return the refusal of the token endpoint."""
    return _problem(400, {"error": "invalid_grant", "error_description": message})


def _problem(status: int, body: dict[str, Any]) -> Problem:
    return Problem(status, orjson.dumps(body))
