"""Asking Claude, over HTTP, with everything that can go wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.hooks import Hooks, hooks

from pcd.config import AiConfig, Secret
from pcd.errors import StoreUnreachable
from pcd.health import doctor
from pcd.health.doctor import Doctor

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.health.diagnose import Diagnosis

pytestmark = pytest.mark.asyncio
GOOD = {
    "diagnosis": "The events service hangs.",
    "remedy": "restart_services",
    "subject": "events",
    "confidence": 0.95,
}
SERVICES = ("sync", "events")


def answer(tool_input: object, *, stop: str = "tool_use", kind: str = "tool_use") -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": "I refuse."}
    if kind == "tool_use":
        block = {"type": "tool_use", "id": "t1", "name": "recommend_remedy", "input": tool_input}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [block],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


async def ask(db: Database, server: Hooks, *, per_day: int = 20) -> Diagnosis | None:
    settings = AiConfig(api_key=Secret("sk-ant-test"), base_url=server.url, diagnoses_per_day=per_day)
    return await Doctor(lambda: settings, db=lambda: db).ask('{"failing": "x"}', services=SERVICES)


async def test_forced_tool_is_asked_for_and_its_answer_understood(db: Database) -> None:
    async with hooks() as server:
        server.body = answer(GOOD)
        found = await ask(db, server)
    assert found is not None
    assert (found.remedy.name, found.subject, found.may_act) == ("restart_services", "events", True)
    (posted,) = server.posted
    assert posted.body["tool_choice"]["name"] == posted.body["tools"][0]["name"] == "recommend_remedy"
    assert posted.body["messages"] == [{"role": "user", "content": '{"failing": "x"}'}]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(answer(GOOD | {"remedy": "drop_database"}), id="action that does not exist"),
        pytest.param(answer({}), id="empty"),
        pytest.param(answer("resync"), id="words for an object"),
        pytest.param(answer(GOOD, stop="max_tokens"), id="cut off"),
        pytest.param(answer(None, stop="refusal", kind="text"), id="refusal"),
        pytest.param(answer(None, stop="end_turn", kind="text"), id="text instead"),
        pytest.param({"hello": "world"}, id="not an answer"),
        pytest.param([], id="not an object"),
    ],
)
async def test_nonsense_is_no_diagnosis_and_no_error(db: Database, body: object) -> None:
    async with hooks() as server:
        server.body = body
        assert await ask(db, server) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_refusal_is_no_diagnosis_and_no_error(db: Database, status: int) -> None:
    async with hooks() as server:
        server.statuses = [status]
        assert await ask(db, server) is None
    assert len(server.posted) == 1


async def test_late_answer_is_not_waited_for(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ALTOGETHER", 0.5)
    async with hooks() as server:
        server.delay, server.body = 30, answer(GOOD)
        with anyio.fail_after(10):
            assert await ask(db, server) is None


async def test_budget_of_the_day_is_kept(db: Database) -> None:
    async with hooks() as server:
        server.body = answer(GOOD)
        found = [await ask(db, server, per_day=2) for _ in range(4)]
        assert await ask(db, server, per_day=0) is None
    assert [each is not None for each in found] == [True, True, False, False]
    assert len(server.posted) == 2


async def test_without_key_or_database_nobody_is_asked(db: Database) -> None:
    def away() -> Database:
        raise StoreUnreachable("waiting for the database")

    async with hooks() as server:
        without = AiConfig(base_url=server.url)
        with_key = AiConfig(base_url=server.url, api_key=Secret("sk-ant-test"))
        assert await Doctor(lambda: without, db=lambda: db).ask("{}", services=()) is None
        assert await Doctor(lambda: with_key, db=away).ask("{}", services=()) is None
    assert server.posted == []
