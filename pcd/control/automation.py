"""What a command can ask of the daemon's workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pcd.control.server import Method, Tell
    from pcd.workflows.loader import Loaded


class Automation(Protocol):
    """What keeps and runs the workflows."""

    async def reload(self) -> Loaded:
        """Load the definitions anew and return them."""

    def wake(self) -> None:
        """Look for due steps now."""


class AutomationMethods:
    """The daemon's answer: ``workflows.reload``, after somebody switched, paused or resumed something."""

    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def table(self) -> dict[str, Method]:
        """Return each method by its name."""
        return {"workflows.reload": self.reload}

    async def reload(self, _params: dict[str, Any], _tell: Tell) -> object:
        """Load the definitions anew and look for due steps."""
        loaded = await self._automation.reload()
        self._automation.wake()
        return {
            "workflows": [one.name for one in loaded.workflows],
            "enabled": [one.name for one in loaded.workflows if one.is_enabled],
            "failures": [str(one) for one in loaded.failures],
        }
