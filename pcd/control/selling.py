"""What a command can ask of the daemon about GoHighLevel."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pcd.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.control.server import Method, Tell
    from pcd.crm.clerk import Clerk


class _Pull(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    collections: tuple[str, ...]
    full: bool = False


class _Since(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: datetime


class _Backfill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: datetime
    most: int | None = None


class _Ids(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ids: tuple[int, ...] = ()


class _Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: int
    contact_id: str


class _Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    is_live: bool


class _Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    unit_id: int
    pipeline_id: str | None


class SellingMethods:
    """The daemon's answers: ``ghl.reconcile``, ``ghl.backfill`` ... *clerk* raises while there is none."""

    def __init__(self, clerk: Callable[[], Clerk]) -> None:
        self._clerk = clerk

    def table(self) -> dict[str, Method]:
        """Return each method by its name."""
        return {
            "ghl.reconcile": self.reconcile,
            "ghl.pull": self.pull,
            "ghl.push": self.push,
            "ghl.preview_backfill": self.preview_backfill,
            "ghl.backfill": self.backfill,
            "ghl.retry": self.retry,
            "ghl.link": self.link,
            "ghl.switch": self.switch,
            "ghl.unit": self.unit,
        }

    async def reconcile(self, _params: dict[str, Any], tell: Tell) -> object:
        """Do the five-minute pass now."""
        tell.stay()
        return await self._clerk().reconcile()

    async def pull(self, params: dict[str, Any], tell: Tell) -> object:
        """Copy what GoHighLevel holds."""
        tell.stay()
        asked = _read(params, _Pull)
        return await self._clerk().pull(asked.collections, full=asked.full)

    async def push(self, params: dict[str, Any], tell: Tell) -> object:
        """Take in whoever had an estimate made or changed."""
        tell.stay()
        return await self._clerk().push(_read(params, _Since).since)

    async def preview_backfill(self, params: dict[str, Any], tell: Tell) -> object:
        """Say what taking in customers who do not take part yet would do and cost."""
        tell.stay()
        asked = _read(params, _Backfill)
        return await self._clerk().preview_backfill(since=asked.since, most=asked.most)

    async def backfill(self, params: dict[str, Any], tell: Tell) -> object:
        """Take in customers who do not take part yet."""
        tell.stay()
        asked = _read(params, _Backfill)
        return await self._clerk().backfill(since=asked.since, most=asked.most)

    async def retry(self, params: dict[str, Any], _tell: Tell) -> object:
        """Send dead calls again."""
        return await self._clerk().retry(_read(params, _Ids).ids)

    async def link(self, params: dict[str, Any], _tell: Tell) -> object:
        """Decide a conflict."""
        asked = _read(params, _Link)
        return await self._clerk().link(asked.customer_id, asked.contact_id)

    async def switch(self, params: dict[str, Any], tell: Tell) -> object:
        """Go live, or back to recording only."""
        tell.stay()
        return await self._clerk().switch(is_live=_read(params, _Switch).is_live)

    async def unit(self, params: dict[str, Any], _tell: Tell) -> object:
        """Let a business unit's estimates take part, or not."""
        asked = _read(params, _Unit)
        return await self._clerk().set_unit(asked.unit_id, asked.pipeline_id)


def _read(params: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - a *kind*
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise ControlError(f"bad parameters: {error}", code="bad_params") from error
