"""What a command can ask of the daemon."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from pcd.control.status import forget_pause, remember_pause
from pcd.errors import ControlError
from pcd.sync.auditor import Gap
from pcd.sync.request import Mode, Report, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.control.desk import Desk, Order
    from pcd.control.server import Method, Tell
    from pcd.control.status import StatusReader
    from pcd.db.pool import Database
    from pcd.supervisor import Supervisor
    from pcd.tables.spec import Resource


@dataclass(frozen=True, slots=True)
class Compare:
    """A wish to know how the resources *only* (empty: all) differ from upstream."""

    only: tuple[str, ...] = ()


Errand: TypeAlias = Request | Compare
Outcome: TypeAlias = Report | tuple[Gap, ...]


def key(errand: Errand) -> object:
    """Return what two equal errands have in common, whoever asked."""
    return errand if isinstance(errand, Compare) else replace(errand, triggered_by="")


class _SyncParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mode: str
    only: tuple[str, ...] = ()
    since: datetime | None = None
    accept_gone: bool = False


class _OnlyParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    only: tuple[str, ...] = ()


class _NameParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    reason: str = ""


class Methods:
    """The daemon's answers: ``status``, ``sync.run``, ``gaps.run``, ``pause``, ``resume``."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        desk: Desk[Errand, Outcome],
        status: StatusReader,
        db: Callable[[], Database],
        resources: Mapping[str, Resource],
    ) -> None:
        self._supervisor = supervisor
        self._desk = desk
        self._status = status
        self._db = db
        self._resources = resources

    def table(self) -> dict[str, Method]:
        """Return each method by its name."""
        return {
            "status": self.status,
            "sync.run": self.sync,
            "gaps.run": self.gaps,
            "pause": self.pause,
            "resume": self.resume,
        }

    async def status(self, _params: dict[str, Any], _tell: Tell) -> object:
        """Return how everything is."""
        return await self._status.read()

    async def sync(self, params: dict[str, Any], tell: Tell) -> object:
        """Carry out a sync and tell how far it is; it goes on when the client leaves."""
        asked = _read(params, _SyncParams)
        try:
            mode = Mode(asked.mode)
        except ValueError:
            raise ControlError(f"there is no sync {asked.mode!r}", code="bad_params") from None
        request = Request(
            mode=mode,
            only=asked.only,
            since=asked.since,
            accept_gone=asked.accept_gone,
            triggered_by="command",
        )
        return await self._order(request, tell)

    async def gaps(self, params: dict[str, Any], tell: Tell) -> object:
        """Compare the mirror with upstream, record by record, and change nothing."""
        return await self._order(Compare(_read(params, _OnlyParams).only), tell)

    async def _order(self, errand: Errand, tell: Tell) -> object:
        tell.stay()
        order = self._desk.submit(errand)
        async for _ in order.follow():
            await tell(describe_order(order))
        return describe_outcome(await order.wait())

    async def pause(self, params: dict[str, Any], _tell: Tell) -> object:
        """Stop a service, or leave a resource out of every sync, until `resume`."""
        asked = _read(params, _NameParams)
        self._check(asked.name)
        await remember_pause(self._db(), asked.name, by="command", reason=asked.reason)
        if asked.name in self._supervisor.names:
            self._supervisor.pause(asked.name, reason=asked.reason)
        self._status.expire()
        return {"paused": asked.name}

    async def resume(self, params: dict[str, Any], _tell: Tell) -> object:
        """Let a paused service or resource go on."""
        asked = _read(params, _NameParams)
        self._check(asked.name)
        await forget_pause(self._db(), asked.name)
        if asked.name in self._supervisor.names:
            self._supervisor.resume(asked.name)
        self._status.expire()
        return {"resumed": asked.name}

    def _check(self, name: str) -> None:
        known = (*self._supervisor.names, *self._resources)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ControlError(f"there is no service or resource {name!r}; {hint}", code="unknown_name")
        if name in {"control", "database"}:
            raise ControlError(
                f"{name} cannot be paused: without it nothing could be resumed", code="refused"
            )


def describe_order(order: Order[Errand, Outcome]) -> dict[str, Any]:
    """Return how far *order* is, as JSON values."""
    return {
        "mode": "gaps" if isinstance(order.errand, Compare) else order.errand.mode.value,
        "has_begun": order.has_begun,
        **order.progress.describe(),
    }


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return what came of an errand, as JSON values."""
    if not isinstance(outcome, Report):
        gaps = [asdict(gap) | {"is_closed": gap.is_closed} for gap in outcome]
        return {"is_closed": all(gap.is_closed for gap in outcome), "gaps": gaps}
    return {
        "mode": outcome.request.mode.value,
        "is_complete": outcome.is_complete,
        "resources": [
            {
                "resource": part.resource,
                "status": part.status,
                "seconds": round(part.duration.total_seconds(), 3),
                "error": part.error,
                **asdict(part.tally),
            }
            for part in outcome.resources
        ],
    }


def _read(params: dict[str, Any], kind: type[Any]) -> Any:  # noqa: ANN401 - a *kind*
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise ControlError(f"bad parameters: {error}", code="bad_params") from error
