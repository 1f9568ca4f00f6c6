"""Conditions: a text or a structure becomes a tree, and a tree is judged over facts.

The grammar stands in docs/workflows.md. Everything here is pure and bounded, and nothing is ever evaluated
as code.
"""

from __future__ import annotations

from pcd.workflows.conditions.check import Kinds, check
from pcd.workflows.conditions.condition import ALWAYS, Condition, facts_of
from pcd.workflows.conditions.evaluate import evaluate, why_not
from pcd.workflows.conditions.parse import parse
from pcd.workflows.conditions.structure import compile_structure
from pcd.workflows.conditions.write import write

__all__ = [
    "ALWAYS",
    "Condition",
    "Kinds",
    "check",
    "compile_structure",
    "evaluate",
    "facts_of",
    "parse",
    "why_not",
    "write",
]
