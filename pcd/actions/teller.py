"""Puts facts into the texts of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.errors import ConditionError, DefinitionError
from pcd.messages import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from pcd.workflows.action import StepCall


class Teller:
    """Says texts with what is known of an instance, in the business's *zone*.

    A name whose first part stands in the instance's context is read there, as is one that begins with
    ``context.``; every other one is a fact.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    async def say(
        self,
        call: StepCall,
        source: str,
        *,
        html: bool = False,
        escape: Callable[[str], str] | None = None,
    ) -> str:
        """Return what *source* says; *escape* is applied to every fact that is a text.

        Raises ValueError, naming the fact, for one that is missing or empty, or that nobody declared.
        """
        text = compose.parse(source)
        facts = await self.facts(call, text.facts)
        if escape is not None:
            facts = {
                name: escape(value) if isinstance(value, str) else value for name, value in facts.items()
            }
        return compose.render(text, facts, zone=self._zone, html=html)

    async def say_all(self, call: StepCall, value: Any) -> Any:  # noqa: ANN401 - a tree of JSON values
        """Return a tree of JSON values with every text in it said."""
        match value:
            case str():
                return await self.say(call, value)
            case dict():
                return {key: await self.say_all(call, one) for key, one in value.items()}
            case list() | tuple():
                return [await self.say_all(call, one) for one in value]
            case _:
                return value

    async def facts(self, call: StepCall, names: Iterable[str]) -> Mapping[str, Any]:
        """Return the values of *names*, None for what is not known; raises ValueError for no fact."""
        return {name: await self._find(call, name) for name in sorted(names)}

    async def _find(self, call: StepCall, name: str) -> Any:  # noqa: ANN401 - a fact of any type
        first, *rest = name.removeprefix("context.").split(".")
        if first not in call.context:
            try:
                return await call.facts.get(name)
            except (ConditionError, DefinitionError) as error:
                raise ValueError(str(error)) from error
        value = call.context[first]
        for part in rest:
            value = value.get(part) if isinstance(value, dict) else None
        return value
