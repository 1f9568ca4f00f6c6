from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pcd
from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database

ROOT = Path(pcd.__file__).parent
PACKAGES = [
    ".".join(("pcd", *path.parent.relative_to(ROOT).parts)) for path in sorted(ROOT.glob("**/queries.sql"))
]


@pytest.mark.asyncio
@pytest.mark.parametrize("package", PACKAGES)
async def test_every_named_query_fits_the_real_schema(db: Database, package: str) -> None:
    async with db.session() as connection:
        for name, sql in queries.load(package).items():
            try:
                await connection.prepare(sql)
            except Exception as error:  # noqa: BLE001 - whatever it is, name the query
                pytest.fail(f"{package}.{name}: {error}")
