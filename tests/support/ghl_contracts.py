"""GoHighLevel's own OpenAPI documents, with the places mended where they are known to be wrong.

They are patched in memory alone. Each patch is a line of `PATCHES`, with its reason.
"""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from support.contracts import GHL

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST: Final = "https://services.leadconnectorhq.com"
DOCUMENTS: Final = ("contacts", "opportunities", "locations", "users", "conversations", "workflows", "oauth")
_NO_SPEC_CHECK = Config(spec_validator_cls=None)
_TEXT: Final = {"type": "string", "nullable": True}
_ANYTHING: Final[dict[str, Any]] = {}
_CURSOR: Final = {"type": "array", "items": {}}
_STAGE: Final = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "position": {"type": "number"}},
}
_SEARCH_BODY: Final = {
    "type": "object",
    "required": ["locationId", "pageLimit"],
    "additionalProperties": False,
    "properties": {
        "locationId": {"type": "string"},
        "pageLimit": {"type": "integer", "minimum": 1, "maximum": 500},
        "page": {"type": "integer", "minimum": 1},
        "searchAfter": _CURSOR,
        "query": {"type": "string", "maxLength": 75},
        "filters": {"type": "array", "items": {"type": "object"}},
        "sort": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "direction"],
                "additionalProperties": False,
                "properties": {"field": {"type": "string"}, "direction": {"enum": ["asc", "desc"]}},
            },
        },
    },
}
_CONTACT: Final = {"$ref": "#/components/schemas/GetContectByIdSchema"}
_FOUND: Final = {
    "type": "object",
    "required": ["contacts", "total"],
    "properties": {
        "contacts": {"type": "array", "items": _CONTACT},
        "total": {"type": "integer"},
        "traceId": {"type": "string"},
    },
}
_DUPLICATE: Final = {
    "type": "object",
    "required": ["contact"],
    "properties": {"contact": {"type": "object", "nullable": True, "required": ["id", "locationId"]}},
}
_OBSERVED_VALUE: Final = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {
        "id": {"type": "string"},
        "type": {"enum": ["string", "number", "array"]},
        "fieldValueString": {"type": "string"},
        "fieldValueNumber": {"type": "number"},
        "fieldValueArray": {"type": "array", "items": {"type": "string"}},
    },
}


@dataclass(frozen=True, slots=True)
class Patch:
    """Put *value* at *path* of a *document*, because of *why*."""

    document: str
    path: str
    value: Any
    why: str


def _answer(path: str, schema: Any) -> tuple[str, Any]:  # noqa: ANN401 - a schema
    return f"paths|{path}|responses|200|content", {"application/json": {"schema": schema}}


_CLOSED: Final = {
    "contacts": (
        "CreateContactDto",
        "UpdateContactDto",
        "UpsertContactDto",
        "TagsDTO",
        "NotesDTO",
        "UpdateNoteDTO",
        "CreateTaskParams",
        "UpdateTaskBody",
        "UpdateTaskStatusParams",
        "CreateWorkflowDto",
        "UpdateTagsDTO",
    ),
    "opportunities": ("CreateDto", "UpdateOpportunityDto", "UpdateStatusDto", "OpportunitySearchBodyDTO"),
    "conversations": ("SendMessageBodyDto",),
}
_STATUS: Final = "components|schemas|{}|properties|status|enum"
_WRITABLE: Final = ["open", "won", "lost", "abandoned"]
PATCHES: Final = (
    *(
        Patch(document, f"components|schemas|{name}|additionalProperties", False, "the API answers 422")
        for document, names in _CLOSED.items()
        for name in names
    ),
    *(
        Patch("contacts", f"components|schemas|{name}|properties|dateOfBirth", _TEXT, "typed object")
        for name in ("CreateContactDto", "UpdateContactDto", "UpsertContactDto")
    ),
    *(
        Patch("opportunities", _STATUS.format(name), _WRITABLE, "'all' is a value of searches")
        for name in ("CreateDto", "UpdateOpportunityDto", "UpdateStatusDto")
    ),
    Patch("contacts", "components|schemas|SearchBodyV2DTO", _SEARCH_BODY, "empty"),
    Patch("contacts", *_answer("/contacts/search|post", _FOUND), "empty"),
    Patch("contacts", *_answer("/contacts/search/duplicate|get", _DUPLICATE), "empty"),
    Patch(
        "contacts",
        "components|schemas|CustomFieldSchema|properties|value",
        _ANYTHING,
        "a multiple choice is a list, a number a number",
    ),
    Patch(
        "opportunities",
        "components|schemas|PipelinesResponseSchema|properties|stages",
        {"type": "array", "items": _STAGE},
        "typed as lists of nothing",
    ),
    Patch(
        "opportunities",
        "components|schemas|CustomFieldResponseSchema",
        _OBSERVED_VALUE,
        "in practice fieldValueString and the like (highlevel-api-docs, issue 87)",
    ),
    Patch(
        "conversations",
        "components|schemas|SendMessageBodyDto|required",
        ["type", "contactId"],
        "subType and status are noise: nobody sends them",
    ),
    Patch(
        "conversations",
        "components|schemas|SendMessageBodyDto|properties|subType",
        {"type": "string"},
        "typed object",
    ),
    Patch(
        "users",
        "components|schemas|RoleSchema",
        {"type": "object"},
        "enumerations that differ from what the interface offers",
    ),
)


@functools.cache
def raw(document: str) -> Mapping[str, Any]:
    """Return *document* as it was published."""
    found: dict[str, Any] = json.loads((GHL / f"{document}.json").read_text(encoding="utf-8"))
    return found


@functools.cache
def contract(document: str) -> OpenAPI:
    """Return *document*, patched."""
    mended = copy.deepcopy(dict(raw(document)))
    for patch in PATCHES:
        if patch.document == document:
            _put(mended, patch.path.split("|"), patch.value)
    base = (GHL / f"{document}.json").resolve().as_uri()
    return OpenAPI.from_dict(mended, base_uri=base, config=_NO_SPEC_CHECK)


def _put(where: Any, path: list[str], value: Any) -> None:  # noqa: ANN401 - a document
    for part in path[:-1]:
        where = where[part]
    where[path[-1]] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request as it was sent, and what came back."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    content_type: str
    status: int
    answer: bytes

    @property
    def name(self) -> str:
        """How a failed one is called."""
        return f"{self.method} {self.path} {self.status}"


def complaints(exchange: Exchange, *, request_only: bool = False) -> list[str]:
    """Return what the documents have against *exchange*, in their words."""
    api = contract(exchange.path.split("/")[1])
    request = MockRequest(
        HOST,
        exchange.method.lower(),
        exchange.path,
        args=dict(exchange.query),
        headers={
            name: exchange.headers[name] for name in ("Authorization", "Version") if name in exchange.headers
        },
        data=exchange.body or None,
        content_type=exchange.content_type,
    )
    found: list[str] = []
    try:
        api.validate_request(request)
        if not request_only:
            api.validate_response(request, MockResponse(exchange.answer, status_code=exchange.status))
    except OpenAPIError as error:
        reasons = [one.message for one in getattr(error.__cause__, "schema_errors", [])]
        found.append(f"{exchange.name}: {error} {reasons}")
    return found
