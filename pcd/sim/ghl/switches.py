"""The switches of a simulated sub-account, under ``/_sim``; they need no credentials.

- ``GET /_sim/state``: how much there is of what, faults and how often each was injected
- ``GET /_sim/calls``: what was asked, ``?writes=1`` only what was meant to change something;
  ``DELETE`` forgets it
- ``GET /_sim/contacts``, ``/opportunities``, ``/notes``, ``/tasks``, ``/messages``: the records
- ``PUT /_sim/faults``: ``{"preset": "storm"}``, and rates by name
- ``POST /_sim/plan``: ``{"trouble": "hang_after", "method": "POST", "path": "^/contacts/$",
  "times": 1}``; ``DELETE`` drops what has not happened
- ``PUT /_sim/lag``: ``{"frozen": true}``, ``{"seconds": 5}``
- ``PUT /_sim/limits``: ``{"window_calls": 1000, "daily_calls": 200000, "used_today": 0}``
- ``PUT /_sim/scopes``: ``{"revoked": ["contacts.write"]}``
- ``PUT /_sim/token``: ``{"token": "pit-...", "keep_old": true}``; ``DELETE`` expires OAuth tokens
- ``GET /_sim/webhooks``: those that the changes set off; ``POST`` with ``{"url": "...",
  "secret": "..."}`` delivers them
- ``POST /_sim/inbound``: ``{"contact": "...", "text": "STOP"}``
- ``POST /_sim/person``: ``{"do": "move_card", "opportunity": "...", "stage": "..."}``, ``set_value``,
  ``set_status``, ``edit_contact``, ``tag``, ``act``; ``{"rate": 6}`` for actions a minute
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from pcd.sim.body import json_answer, json_object
from pcd.sim.trouble import Trouble, changed

if TYPE_CHECKING:
    from pcd.sim.ghl.server import Simulator

_SHELVES = ("contacts", "opportunities", "notes", "tasks", "messages", "conversations")


class Switches:
    """Answers the requests under ``/_sim`` for *simulator*."""

    def __init__(self, simulator: Simulator) -> None:
        """Look at and change this one."""
        self._simulator = simulator

    async def state(self, _: web.Request) -> web.Response:
        """Tell how it is and what has happened."""
        simulator = self._simulator
        simulator.person.catch_up()
        return json_answer(
            {
                "now": simulator.clock.now(),
                "records": {name: len(getattr(simulator.store, name)) for name in _SHELVES},
                "calls": simulator.calls.total,
                "writes": len(simulator.calls.writes),
                "throttled": simulator.gate.throttled,
                "used_today": simulator.gate.used_today,
                "revoked_scopes": sorted(simulator.gate.revoked),
                "search_is_frozen": simulator.store.lag.is_frozen,
                "faults": asdict(simulator.troubles.rates),
                "injected": dict(simulator.troubles.counts),
                "deeds": simulator.person.deeds[-20:],
            }
        )

    async def calls(self, request: web.Request) -> web.Response:
        """Tell what was asked, the oldest first."""
        calls = self._simulator.calls
        return json_answer([asdict(call) for call in (calls.writes if "writes" in request.query else calls)])

    async def forget_calls(self, _: web.Request) -> web.Response:
        """Forget what was asked."""
        self._simulator.calls.clear()
        return web.Response(status=204)

    async def records(self, request: web.Request) -> web.Response:
        """Tell every record of one kind."""
        name = request.match_info["name"]
        if name not in _SHELVES:
            raise web.HTTPNotFound(text=f"no records called {name!r}; there are {', '.join(_SHELVES)}")
        return json_answer([asdict(one) for one in getattr(self._simulator.store, name).values()])

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch to other faults: those of a preset, or the present ones with some rates changed."""
        troubles = self._simulator.troubles
        try:
            troubles.switch(changed(troubles.rates, await json_object(request)))
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return json_answer(asdict(troubles.rates))

    async def plan(self, request: web.Request) -> web.Response:
        """Plan what befalls the next request that fits."""
        wanted = await json_object(request)
        try:
            self._simulator.troubles.plan(Trouble(str(wanted.pop("trouble", ""))), **wanted)
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(status=204)

    async def drop_plans(self, _: web.Request) -> web.Response:
        """Drop what was planned and has not happened."""
        self._simulator.troubles.forget()
        return web.Response(status=204)

    async def set_lag(self, request: web.Request) -> web.Response:
        """Freeze, thaw or change how far searches are behind."""
        lag = self._simulator.store.lag
        match await json_object(request):
            case {"frozen": True}:
                lag.freeze()
            case {"frozen": False}:
                lag.thaw()
            case {"seconds": float() | int() as seconds}:
                lag.seconds = float(seconds)
            case _:
                raise web.HTTPBadRequest(text="expected frozen or seconds")
        return json_answer({"frozen": lag.is_frozen, "seconds": lag.seconds})

    async def set_limits(self, request: web.Request) -> web.Response:
        """Change how many calls pass, or how many were counted today."""
        gate, names = self._simulator.gate, {"window_calls": "limit", "daily_calls": "daily_limit"}
        names["used_today"] = "used_today"
        for name, value in (await json_object(request)).items():
            if name not in names or not isinstance(value, int):
                raise web.HTTPBadRequest(text=f"expected numbers for {', '.join(names)}")
            setattr(gate, names[name], value)
        return json_answer({name: getattr(gate, attribute) for name, attribute in names.items()})

    async def set_scopes(self, request: web.Request) -> web.Response:
        """Revoke scopes; an empty list gives them all back."""
        revoked = (await json_object(request)).get("revoked", [])
        self._simulator.gate.revoked = frozenset(map(str, revoked))
        return json_answer({"revoked": sorted(self._simulator.gate.revoked)})

    async def set_token(self, request: web.Request) -> web.Response:
        """Let another private integration token hold, beside the old ones or alone."""
        match await json_object(request):
            case {"token": str(token), **rest}:
                kept = self._simulator.gate.tokens if rest.get("keep_old") else set()
                self._simulator.gate.tokens = kept | {token}
            case _:
                raise web.HTTPBadRequest(text="expected token")
        return web.Response(status=204)

    async def expire_tokens(self, _: web.Request) -> web.Response:
        """Expire every OAuth access token given out so far."""
        self._simulator.grants.expire()
        return web.Response(status=204)

    async def webhooks(self, _: web.Request) -> web.Response:
        """Tell which webhooks wait to be delivered."""
        return json_answer(list(self._simulator.store.courier.pending))

    async def deliver(self, request: web.Request) -> web.Response:
        """Deliver the webhooks, and tell how they were answered."""
        match await json_object(request):
            case {"url": str(url), **rest}:
                secret = str(rest.get("secret", ""))
            case _:
                raise web.HTTPBadRequest(text="expected url")
        try:
            statuses = await self._simulator.store.courier.deliver(url, secret=secret)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise web.HTTPBadGateway(text=f"{url} does not answer ({type(error).__name__})") from error
        return json_answer({"statuses": statuses})

    async def receive(self, request: web.Request) -> web.Response:
        """Let a contact write to us."""
        match await json_object(request):
            case {"contact": str(contact), "text": str(text), **rest} if (
                contact in self._simulator.store.contacts
            ):
                kind = str(rest.get("kind", "SMS"))
                return json_answer(asdict(self._simulator.conversations.receive(contact, text, kind=kind)))
            case _:
                raise web.HTTPBadRequest(text="expected contact (a known one) and text")

    async def act(self, request: web.Request) -> web.Response:
        """Let the person do something, or work at another rate."""
        person = self._simulator.person
        try:
            match await json_object(request):
                case {"rate": float() | int() as rate}:
                    person.rate = float(rate)
                case {"do": "act"}:
                    person.act()
                case {"do": "move_card", "opportunity": str(card), "stage": str(stage)}:
                    person.move_card(card, stage)
                case {"do": "set_value", "opportunity": str(card), "value": float() | int() as value}:
                    person.set_value(card, value)
                case {"do": "set_status", "opportunity": str(card), "status": str(status)}:
                    person.set_status(card, status)
                case {"do": "edit_contact", "contact": str(contact), "fields": dict(fields)}:
                    person.edit_contact(contact, **fields)
                case {"do": "tag", "contact": str(contact), "tag": str(tag)}:
                    person.tag(contact, tag)
                case _:
                    raise web.HTTPBadRequest(text="expected rate, or do and what it takes")
        except (KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"there is none such: {error}") from error
        return json_answer({"rate": person.rate, "deeds": person.deeds[-1:]})


def add_routes(app: web.Application, *, simulator: Simulator) -> None:
    """Serve the switches of *simulator* from *app*."""
    switches = Switches(simulator)
    app.router.add_get("/_sim/state", switches.state)
    app.router.add_get("/_sim/calls", switches.calls)
    app.router.add_delete("/_sim/calls", switches.forget_calls)
    app.router.add_put("/_sim/faults", switches.set_faults)
    app.router.add_post("/_sim/plan", switches.plan)
    app.router.add_delete("/_sim/plan", switches.drop_plans)
    app.router.add_put("/_sim/lag", switches.set_lag)
    app.router.add_put("/_sim/limits", switches.set_limits)
    app.router.add_put("/_sim/scopes", switches.set_scopes)
    app.router.add_put("/_sim/token", switches.set_token)
    app.router.add_delete("/_sim/token", switches.expire_tokens)
    app.router.add_get("/_sim/webhooks", switches.webhooks)
    app.router.add_post("/_sim/webhooks", switches.deliver)
    app.router.add_post("/_sim/inbound", switches.receive)
    app.router.add_post("/_sim/person", switches.act)
    app.router.add_get("/_sim/{name}", switches.records)
