"""The switches of the simulator, under ``/_sim``: look at it, change its records, its time, its faults.

They are not part of ServiceTitan and need no credentials; the simulator listens on loopback only.

- ``GET /_sim/state``: the time, records and requests so far, faults and how often each was injected
- ``GET /_sim/resources/{name}``: every record as it is served, one JSON object a line
- ``POST /_sim/resources/{name}``: ``{"put": {...}}``, ``{"change": {"id": 1, ...}}``,
  ``{"deactivate": 1}`` or ``{"delete": 1}``
- ``PUT /_sim/faults``: ``{"preset": "storm"}``, and rates by name
- ``PUT /_sim/clock``: ``{"speed": 60}``, ``{"advance_seconds": 3600}``
- ``PUT /_sim/scopes``: ``{"revoked": ["tn.crm.customers:r"]}``
- ``DELETE /_sim/tokens``, ``DELETE /_sim/continuations``: refuse all that were given out
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web

from pcd.sim import dialect
from pcd.sim.body import json_answer, json_object
from pcd.sim.faults import PRESETS, Faults

if TYPE_CHECKING:
    from pcd.sim.server import Simulator
    from pcd.sim.store import Shelf

_BATCH = 500


class Switches:
    """Answers the requests under ``/_sim`` for *simulator*."""

    def __init__(self, simulator: Simulator) -> None:
        """Look at and change this one."""
        self._simulator = simulator

    async def state(self, _: web.Request) -> web.Response:
        """Tell how it is and what has happened."""
        simulator = self._simulator
        return json_answer(
            {
                "now": dialect.instant(simulator.clock.now()),
                "speed": simulator.clock.speed,
                "records": {name: len(shelf) for name, shelf in simulator.store.shelves.items()},
                "requests": dict(simulator.requests),
                "tokens_issued": simulator.gate.tokens.issued,
                "throttled": simulator.gate.throttled,
                "revoked_scopes": sorted(simulator.gate.revoked),
                "faults": asdict(simulator.dice.faults),
                "injected": dict(simulator.dice.counts),
            }
        )

    async def dump(self, request: web.Request) -> web.StreamResponse:
        """Send every record that exists, inactive ones included, as exports serve it, one a line."""
        name, shelf = self._shelf(request)
        rows = list(shelf.rows())
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for start in range(0, len(rows), _BATCH):
            records = self._simulator.records(name, rows=rows[start : start + _BATCH])
            await response.write(b"\n".join(records) + b"\n")
        await response.write_eof()
        return response

    async def mutate(self, request: web.Request) -> web.Response:
        """Change one record and return it, or null when it is gone."""
        _, shelf = self._shelf(request)
        match await json_object(request):
            case {"put": {"id": int(record_id)} as record}:
                shelf.put(record)
            case {"put": dict(record)}:
                record_id = self._simulator.store.next_id()
                shelf.put({"id": record_id} | record)
            case {"change": {"id": int(record_id)} as changes} if record_id in shelf:
                shelf.put(shelf.get(record_id) | changes)
            case {"deactivate": int(record_id)} if record_id in shelf:
                shelf.deactivate(record_id)
            case {"delete": int(record_id)} if record_id in shelf:
                shelf.delete(record_id)
            case _:
                raise web.HTTPBadRequest(text="expected put, change, deactivate or delete of a known id")
        body = shelf.row(record_id).body if record_id in shelf else b"null"
        return web.Response(body=body, content_type="application/json")

    async def set_faults(self, request: web.Request) -> web.Response:
        """Switch to other faults: those of a preset, or the present ones with some rates changed."""
        wanted = await json_object(request)
        faults = self._simulator.dice.faults
        if "preset" in wanted:
            name = wanted.pop("preset")
            if name not in PRESETS:
                raise web.HTTPBadRequest(text=f"no preset {name!r}; there are {', '.join(PRESETS)}")
            faults = PRESETS[name]
        unknown = set(wanted) - {field.name for field in fields(Faults)}
        if unknown:
            raise web.HTTPBadRequest(text=f"no such fault: {', '.join(sorted(unknown))}")
        self._simulator.dice.switch(replace(faults, **wanted))
        return json_answer(asdict(self._simulator.dice.faults))

    async def set_clock(self, request: web.Request) -> web.Response:
        """Change the tenant's time."""
        clock = self._simulator.clock
        match await json_object(request):
            case {"speed": float() | int() as speed}:
                clock.speed = speed
            case {"advance_seconds": float() | int() as seconds}:
                clock.advance(timedelta(seconds=seconds))
            case _:
                raise web.HTTPBadRequest(text="expected speed or advance_seconds")
        return json_answer({"now": dialect.instant(clock.now()), "speed": clock.speed})

    async def set_scopes(self, request: web.Request) -> web.Response:
        """Revoke scopes; an empty list gives them all back."""
        revoked = (await json_object(request)).get("revoked", [])
        self._simulator.gate.revoked = frozenset(map(str, revoked))
        return json_answer({"revoked": sorted(self._simulator.gate.revoked)})

    async def revoke_tokens(self, _: web.Request) -> web.Response:
        """Refuse every access token given out so far."""
        self._simulator.gate.tokens.revoke()
        return web.Response(status=204)

    async def revoke_continuations(self, _: web.Request) -> web.Response:
        """Refuse every continuation token given out so far."""
        self._simulator.epoch += 1
        return web.Response(status=204)

    def _shelf(self, request: web.Request) -> tuple[str, Shelf]:
        name = request.match_info["name"]
        if name not in self._simulator.resources:
            raise web.HTTPNotFound(text=f"no resource {name!r}")
        return name, self._simulator.store[name]


def add_routes(app: web.Application, *, simulator: Simulator) -> None:
    """Serve the switches of *simulator* from *app*."""
    switches = Switches(simulator)
    app.router.add_get("/_sim/state", switches.state)
    app.router.add_get("/_sim/resources/{name}", switches.dump)
    app.router.add_post("/_sim/resources/{name}", switches.mutate)
    app.router.add_put("/_sim/faults", switches.set_faults)
    app.router.add_put("/_sim/clock", switches.set_clock)
    app.router.add_put("/_sim/scopes", switches.set_scopes)
    app.router.add_delete("/_sim/tokens", switches.revoke_tokens)
    app.router.add_delete("/_sim/continuations", switches.revoke_continuations)
