"""Say what an error that a step raised means for it. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.errors import (
    ConditionError,
    ConfigError,
    DataRejected,
    DefinitionError,
    Forbidden,
    PcdError,
    RateLimited,
    Rejected,
)
from pcd.workflows.outcome import Fail, Refuse, Retry

if TYPE_CHECKING:
    from pcd.workflows.outcome import Verdict

# Not Unauthorized: a token that is renewed within minutes must not leave dead letters behind.
_HOPELESS = (DataRejected, Rejected, Forbidden, DefinitionError, ConfigError)
_LONGEST = 500


def classify(error: Exception) -> Verdict:
    """Return what follows from *error*: another try, unless it says that none can help."""
    text = " ".join(str(error).split())[:_LONGEST]
    if not isinstance(error, PcdError):
        return Retry(error=f"{type(error).__name__}: {text}" if text else type(error).__name__)
    match error:
        case ConditionError():
            return Refuse(error=text)
        case RateLimited(retry_after=seconds):
            return Retry(error=text, after=None if seconds is None else timedelta(seconds=seconds))
        case _ if isinstance(error, _HOPELESS):
            return Fail(error=text)
        case _:
            return Retry(error=text)
