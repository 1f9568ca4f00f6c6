"""Where the vendors' published API documents lie, which are not ours to copy. Without them tests skip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

_BESIDE: Final = Path(__file__).parents[3] / "shared" / "contracts"
_ROOT: Final = Path(os.environ.get("PCD_TEST_CONTRACTS", _BESIDE))

SERVICETITAN: Final = _ROOT / "servicetitan" / "resources"
GHL: Final = _ROOT / "ghl" / "apps"
GHL_WEBHOOKS: Final = _ROOT / "ghl" / "webhooks"

if_published = pytest.mark.skipif(
    not all(folder.is_dir() for folder in (SERVICETITAN, GHL, GHL_WEBHOOKS)),
    reason=f"the vendors' documents are not in {_ROOT} (PCD_TEST_CONTRACTS says where they are)",
)
