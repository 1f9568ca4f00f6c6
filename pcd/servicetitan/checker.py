"""Tells a person whether the credentials work, by asking ServiceTitan for as little as possible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pcd.errors import Forbidden, Unauthorized, UpstreamError
from pcd.retry import Patience

if TYPE_CHECKING:
    from pcd.servicetitan.client import ServiceTitan

_PATH = "/settings/v2/tenant/{tenant}/business-units"
_SCOPE = "tn.stt.businessunits:r"
_PATIENCE = Patience(attempts=2, attempt=timedelta(seconds=20), total=timedelta(seconds=45))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the credentials work, in a sentence. *is_certain* is False when nobody could say."""

    is_good: bool
    text: str
    is_certain: bool = True


async def check(st: ServiceTitan) -> Verdict:
    """Return whether *st* is let in, by asking for a token and for one business unit; never raises.

    A missing right for business units is a good verdict with a remark: the credentials as such work.
    """
    where = f"{urlsplit(st.settings.api_url).netloc}, tenant {st.settings.tenant_id}"
    try:
        await st.get(_PATH, {"page": "1", "pageSize": "1"}, scope=_SCOPE, patience=_PATIENCE)
    except Forbidden as error:
        return Verdict(is_good=True, text=f"ServiceTitan accepts the credentials ({where}), but {error}")
    except Unauthorized as error:
        return Verdict(is_good=False, text=str(error))
    except UpstreamError as error:
        return Verdict(is_good=False, text=f"The credentials could not be tried: {error}", is_certain=False)
    return Verdict(is_good=True, text=f"ServiceTitan accepts the credentials ({where})")
