"""What a command can ask of the daemon's detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pcd.errors import ControlError
from pcd.events import describe
from pcd.events.replayer import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.control.server import Method, Tell
    from pcd.events.detector import Detector


class EventMethods:
    """The daemon's answers: ``events.retry``, ``events.replay``. *detector* raises while there is none."""

    def __init__(self, detector: Callable[[], Detector]) -> None:
        self._detector = detector

    def table(self) -> dict[str, Method]:
        """Return each method by its name."""
        return {"events.retry": self.retry, "events.replay": self.replay}

    async def retry(self, _params: dict[str, Any], tell: Tell) -> object:
        """Judge parked rows again, and let halted rules catch up."""
        tell.stay()
        return describe.retried(await self._detector().retry())

    async def replay(self, params: dict[str, Any], tell: Tell) -> object:
        """Derive events again, and record those that are new."""
        tell.stay()
        try:
            request = msgspec.convert(params, Request)
        except msgspec.ValidationError as error:
            raise ControlError(f"bad parameters: {error}", code="bad_params") from error
        return describe.replay(await self._detector().replay(request))
