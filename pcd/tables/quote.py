"""How names and texts are written into SQL. Nothing else in pcd puts quotes around anything."""

from __future__ import annotations


def quote(name: str) -> str:
    """Return *name* as an SQL identifier, always quoted: a column may be called ``order``."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """Return *name* in *schema* as an SQL identifier."""
    return f"{quote(schema)}.{quote(name)}"


def literal(text: str) -> str:
    """Return *text* as an SQL string constant."""
    if "\\" in text:
        return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"
