"""Gathers what definitions may refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.messages import compose, reader
from pcd.workflows.facts import FACTS
from pcd.workflows.facts.fact import Setting
from pcd.workflows.validate import Known
from pcd.workflows.validate import Template as Mentioned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.messages.reader import Template
    from pcd.workflows.catalogue import Catalogue
    from pcd.workflows.workflow import Workflow


async def templates(db: Database) -> dict[str, Template]:
    """Return every template that can be used, by name."""
    found = [await reader.template(db, name) for name in await reader.template_names(db)]
    return {one.name: one for one in found if one is not None}


async def known(db: Database | None, actions: Catalogue, config: Config) -> Known:
    """Return what definitions may refer to; without a database nothing is known of templates."""
    rows: Mapping[str, Template] = {} if db is None else await templates(db)
    return Known(
        actions=actions,
        facts_in=lambda text: compose.parse(text).facts,
        templates=None if db is None else {name: mentioned(one) for name, one in rows.items()},
        webhooks=frozenset(one.name for one in config.workflows.webhooks),
    )


def unset(workflow: Workflow, business: Mapping[str, str]) -> list[str]:
    """Return the keys of ``[business]`` that texts of *workflow* need and that are empty."""
    found = set()
    for step in workflow.steps:
        for parameters in (step.parameters, step.fallback.parameters if step.fallback else {}):
            texts = [value for key, value in parameters.items() if key != "sql"]
            for text in compose.parse_all(texts):
                found |= {_setting(name) for name in text.needs}
    return sorted(key for key in found if key and not business.get(key))


def _setting(name: str) -> str:
    """Return the key of ``[business]`` that a fact is, "" for another one."""
    source = FACTS[name].source if name in FACTS else None
    return source.key if isinstance(source, Setting) else ""


def mentioned(template: Template) -> Mentioned:
    """Return what is checked of a template; one that cannot be read mentions nothing, and fails when used."""
    try:
        facts = compose.parse(template.subject).facts | compose.parse(template.body).facts
    except ValueError:
        facts = frozenset()
    return Mentioned(channel=template.channel, facts=facts)
