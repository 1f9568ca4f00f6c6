"""Carries out one sync: which resources, in which order, logged and reported one by one."""

from __future__ import annotations

import difflib
import logging
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio
import orjson

from pcd.errors import ControlError, LeaseLost, PcdError, StoreError
from pcd.sync import story
from pcd.sync.auditor import Auditor
from pcd.sync.journal import Journal, read_cursor, read_loaded, read_paused
from pcd.sync.plan import plan
from pcd.sync.puller import Job, Puller
from pcd.sync.reconciler import Reconciler
from pcd.sync.request import Mode, Report, ResourceReport, Tally
from pcd.sync.retrier import Retrier
from pcd.sync.workshop import Workshop
from pcd.telemetry.log import context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from pcd.clock import Clock
    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.servicetitan.client import ServiceTitan
    from pcd.sync.auditor import Gap
    from pcd.sync.request import Request
    from pcd.tables.spec import Resource

log = logging.getLogger(__name__)

_AT_ONCE = 4
_REFERENCE_MODULE = "reference_data"


class Syncer:
    """The one way to bring mirrored tables up to date.

    Every pass over a resource excludes every other pass over it in this process; the lease excludes
    every other process.
    """

    def __init__(  # noqa: PLR0913 - the facts of one mirror, each a keyword
        self,
        db: Database,
        st: ServiceTitan,
        *,
        resources: Mapping[str, Resource],
        tenant_id: int,
        lookback: timedelta,
        clock: Clock,
        technician_roles: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """Mirror *resources* of tenant *tenant_id* from *st* into *db*.

        *technician_roles* says who is ``lead`` or ``helper``, by technician id; for others their
        positions in ServiceTitan tell.
        """
        roles = orjson.dumps({str(key): role for key, role in technician_roles.items()}).decode()
        self._store = store = Retrier(db, clock=clock)
        self._resources = resources
        self._lookback = lookback
        self._clock = clock
        self._puller = Puller(store, st, lookback=lookback, technician_roles=roles)
        self._reconciler = Reconciler(store, st, technician_roles=roles)
        self._auditor = Auditor(store, self._puller, clock=clock)
        self._journal = Journal(store)
        self._workshop = Workshop(store, tenant_id=tenant_id, technician_roles=roles)
        self._term = 0
        self._locks: dict[str, anyio.Lock] = defaultdict(anyio.Lock)

    @property
    def resources(self) -> Mapping[str, Resource]:
        """The resources that are mirrored, by name, reference data first."""
        return self._resources

    async def run(
        self, request: Request, *, lease: Lease, progress: Callable[[str, Tally], None] | None = None
    ) -> Report:
        """Carry out *request* and return what came of it; a resource that fails, fails alone.

        *progress* hears, page by page, the resource's name and what the page added. LeaseLost ends
        the sync at once: somebody else is writing now.
        """
        if lease.term != self._term:
            await self._journal.abandon(lease)
            self._term = lease.term
        reference, others = _in_order(await self._choose(request))
        reports: list[ResourceReport] = []
        async with self._summarised(_REFERENCE_MODULE, request, lease, reports if reference else None):
            await self._run_group(reference, request, lease, progress or _silent, reports)
        await self._run_group(others, request, lease, progress or _silent, reports)
        report = Report(request=request, resources=tuple(reports))
        await self._journal.checked([part.resource for part in reports if not part.error])
        if request.mode is Mode.FRESH:
            story.tell_fresh(reports)
        else:
            await self._journal.prune()
        if request.mode is Mode.FULL and not request.only:
            await self._workshop.derive_all(lease, loaded=await read_loaded(self._store))
        return report

    async def compare(
        self,
        only: Sequence[str] = (),
        *,
        lease: Lease,
        progress: Callable[[str, Tally], None] | None = None,
    ) -> tuple[Gap, ...]:
        """Read everything of the resources *only* (empty: all) and return how the mirror differs."""
        gaps: list[Gap] = []
        for resource in self._named(only) or self._resources.values():
            async with self._locks[resource.name]:
                gaps.append(
                    await self._auditor.compare(
                        resource,
                        await self._workshop.writer(resource),
                        lease,
                        on_page=partial(progress or _silent, resource.name),
                    )
                )
        return tuple(gaps)

    async def _choose(self, request: Request) -> list[Resource]:
        paused = await read_paused(self._store)
        wanted = self._named(request.only) or list(self._resources.values())
        if request.mode is Mode.REFERENCE and not request.only:
            wanted = [resource for resource in wanted if resource.reference]
        if request.mode is Mode.FRESH and not request.only:
            wanted = [resource for resource in wanted if resource.fresh]
        return [resource for resource in wanted if resource.name not in paused]

    def _named(self, names: Sequence[str]) -> list[Resource]:
        for name in names:
            if name not in self._resources:
                near = difflib.get_close_matches(name, self._resources, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(self._resources)}"
                message = f"there is no resource {name!r}{hint}"
                raise ControlError(message, code="unknown_resource")
        return [resource for name, resource in self._resources.items() if name in names]

    async def _run_group(
        self,
        group: Sequence[Resource],
        request: Request,
        lease: Lease,
        progress: Callable[[str, Tally], None],
        reports: list[ResourceReport],
    ) -> None:
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def one(resource: Resource) -> None:
            with context(resource=resource.name):
                async with limiter, self._locks[resource.name]:
                    reports.append(await self._run_one(resource, request, lease, progress))

        try:
            async with anyio.create_task_group() as tasks:
                for resource in group:
                    tasks.start_soon(one, resource)
        except* LeaseLost as lost:
            raise LeaseLost(str(lost.exceptions[0])) from lost

    @asynccontextmanager
    async def _summarised(
        self, module: str, request: Request, lease: Lease, reports: list[ResourceReport] | None
    ) -> AsyncIterator[None]:
        """Log what *reports* come to in the block under the one name that the old system's log knows."""
        if reports is None or request.mode not in {Mode.FULL, Mode.REFERENCE} or request.only:
            yield
            return
        started_at, began = self._clock.now(), self._clock.monotonic()
        row_id = await self._journal.start(module, request, lease, at=started_at)
        yield
        took = timedelta(seconds=self._clock.monotonic() - began)
        error = "; ".join(f"{report.resource}: {report.error}" for report in reports if report.error)
        total = Report(request=request, resources=tuple(reports)).total
        summary = ResourceReport(resource=module, tally=total, duration=took, error=error)
        await self._record(summary, row_id, started_at, tell=False)

    async def _run_one(
        self, resource: Resource, request: Request, lease: Lease, progress: Callable[[str, Tally], None]
    ) -> ResourceReport:
        name, tally, started_at = resource.name, Tally(), self._clock.now()
        began = self._clock.monotonic()
        logged = request.mode is not Mode.FRESH
        row_id = await self._journal.start(name, request, lease, at=started_at) if logged else None

        def on_page(part: Tally) -> None:
            tally.add(part)
            progress(name, part)

        error = ""
        try:
            origin = f"sync {row_id}" if row_id is not None else f"fresh pass {started_at.isoformat()}"
            job = await self._job(resource, lease, origin, on_page)
            tally.add(await self._pull(job, request, started_at))
        except LeaseLost:
            raise
        except PcdError as failure:
            error = str(failure)
            self._workshop.forget()
        took = timedelta(seconds=self._clock.monotonic() - began)
        report = ResourceReport(resource=name, tally=tally, duration=took, error=error)
        await self._record(report, row_id, started_at)
        return report

    async def _job(
        self, resource: Resource, lease: Lease, origin: str, on_page: Callable[[Tally], None]
    ) -> Job:
        return Job(
            resource=resource,
            cursor=await read_cursor(self._store, resource.name),
            sink=await self._workshop.writer(resource),
            lease=lease,
            origin=origin,
            on_page=on_page,
        )

    async def _pull(self, job: Job, request: Request, started_at: datetime) -> Tally:
        """Carry out the walks of one pass; return what was found gone, pages have been told already."""
        resource, gone = job.resource, Tally()
        drains = plan(
            resource,
            mode=request.mode,
            cursor=job.cursor,
            now=started_at,
            lookback=self._lookback,
            since=request.since,
        )
        if not drains:
            return gone
        if job.cursor.first_load_completed_at is None:
            await self._journal.begin(resource.name)
        if request.mode is not Mode.FRESH:
            await self._puller.retry_quarantined(job)
        await self._puller.pull(job, drains)
        if any(drain.marks_seen for drain in drains):
            writer = await self._workshop.writer(resource)
            gone = await self._reconciler.judge(
                resource,
                writer,
                job.lease,
                started_at=started_at,
                accept=request.accept_gone,
                origin=job.origin,
            )
        if request.since is None and request.mode is not Mode.FRESH:
            await self._journal.complete(resource.name, full=request.mode is not Mode.INCREMENTAL)
        return gone

    async def _record(
        self, report: ResourceReport, row_id: UUID | None, started_at: datetime, *, tell: bool = True
    ) -> None:
        if tell and row_id is not None:
            story.tell(report)
        try:
            if row_id is None:
                await self._journal.note_fresh(report, at=started_at)
            else:
                await self._journal.finish(row_id, report)
        except StoreError as failure:
            # The next holder of the lease closes the row.
            log.warning("%s: the sync log could not be written (%s)", report.resource, failure)


def _in_order(resources: Sequence[Resource]) -> tuple[list[Resource], list[Resource]]:
    """Return reference data first: the others' events look at its names."""
    first = [resource for resource in resources if resource.reference]
    return first, [resource for resource in resources if not resource.reference]


def _silent(name: str, part: Tally) -> None:
    """Tell nobody."""
