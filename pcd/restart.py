"""When a broken service is started again: a decision from its recent failures, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How patiently a service is restarted.

    The pause doubles from *first* up to *longest*. After *limit* failures within *window* the service
    is degraded: it is then tried every *humane* only. It counts as healed when it has been ready for
    *settle*.
    """

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=30)
    limit: int = 5
    window: timedelta = timedelta(minutes=5)
    humane: timedelta = timedelta(minutes=3)
    settle: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """What a service has gone through since it was last healthy.

    *failed_at* holds monotonic seconds, oldest first, within the policy's window only; *attempt* counts
    every failure since then. *needs_person* says that the last one is nothing that trying again can mend.
    """

    failed_at: tuple[float, ...] = ()
    attempt: int = 0
    is_degraded: bool = False
    needs_person: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """What to do about a failure: wait for *delay*, remember *breakage*."""

    delay: timedelta
    breakage: Breakage


def after_failure(
    breakage: Breakage, *, policy: RestartPolicy, at: float, jitter: float, needs_person: bool = False
) -> Restart:
    """Return the pause before the next start of a service that failed *at* (monotonic seconds).

    *jitter* in [0, 1) stretches the pause by up to a quarter, so that services broken by the same cause
    do not come back in step. *needs_person* says that hurrying cannot help (refused credentials, a
    port that is taken): degraded at once. A degraded service stays so until it has settled.
    """
    recent = tuple(instant for instant in breakage.failed_at if at - instant < policy.window.total_seconds())
    failed_at = (*recent, at)[-policy.limit :]
    is_degraded = breakage.is_degraded or needs_person or len(failed_at) >= policy.limit
    remembered = replace(
        breakage,
        failed_at=failed_at,
        attempt=breakage.attempt + 1,
        is_degraded=is_degraded,
        needs_person=needs_person,
    )
    pause = policy.humane if is_degraded else _doubled(policy, times=len(recent))
    return Restart(delay=pause * (1 + jitter / 4), breakage=remembered)


def _doubled(policy: RestartPolicy, *, times: int) -> timedelta:
    doublings: int = 2 ** min(times, 32)
    return min(policy.first * doublings, policy.longest)
