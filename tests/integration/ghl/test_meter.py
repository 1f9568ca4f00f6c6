from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.errors import NoAnswer, StoreError
from pcd.ghl.meter import Meter
from pcd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from integration.ghl.conftest import Upstream

    from pcd.ghl.client import GoHighLevel

pytestmark = pytest.mark.asyncio

LIMITS = {"X-RateLimit-Limit-Daily": "200000", "X-RateLimit-Daily-Remaining": "150000"}


async def test_calls_and_the_days_budget_are_measured(
    connect: Callable[..., Awaitable[GoHighLevel]], upstream: Upstream
) -> None:
    metrics = Metrics()
    clients = [await connect()]
    Meter(metrics, lambda: clients[-1])
    upstream.then({"pipelines": []}, headers=LIMITS)
    upstream.then(status=500)
    await clients[-1].pipelines()
    with pytest.raises(NoAnswer):
        await clients[-1].add_note("c1", "hi")
    told = metrics.render().decode()
    assert 'pcd_ghl_requests_total{outcome="ok"} 1.0' in told
    assert 'pcd_ghl_requests_total{outcome="noanswer"} 1.0' in told
    assert "pcd_ghl_daily_calls_left 149999.0" in told
    assert "pcd_ghl_daily_calls_limit 200000.0" in told
    clients.append(await connect())
    upstream.then({"pipelines": []}, headers=LIMITS)
    await clients[-1].pipelines()
    assert 'pcd_ghl_requests_total{outcome="ok"} 2.0' in metrics.render().decode()


async def test_without_a_client_the_metrics_can_be_read() -> None:
    def nobody() -> GoHighLevel:
        raise StoreError("not yet")

    metrics = Metrics()
    Meter(metrics, nobody)
    assert "pcd_ghl_daily_calls_left" in metrics.render().decode()
