"""Mirrors ServiceTitan into PostgreSQL, keeps GoHighLevel in step and runs workflows.

Read the packages in the order of the pipeline::

    servicetitan → sync → tables → changes → events ─┬─ triggers → workflows → actions ─┬→ ghl
                                                     └────────────── crm ───────────────┘

``servicetitan`` speaks to the API, ``sync`` decides what to ask for and what to write, ``tables``
declares every resource once, ``changes`` captures every write to them, whoever makes it, and ``events``
says what it means for the business, each fact once. From there two ways lead on. ``crm`` derives from
the mirror what GoHighLevel should show, and owes the fewest calls that bring it there. ``triggers``
finds which workflows an event starts, ``workflows`` says which step of which instance is due, and
``actions`` perform it; ``messages`` decides whether a customer may be written to now, and by whom.
``ghl`` speaks to GoHighLevel's API.

PostgreSQL stands between any two of them, so each can be killed at any instant and goes on. Around them
stand what every stage needs (``db``, ``redis``, ``schedule``, ``config``, ``clock``, ``errors``,
``telemetry``), what looks after it (``supervisor``, ``health``), what people and programs talk to
(``control``, ``web``, ``cli``), and what stands in for the world (``sim``, ``rehearsal``, ``drill``).
``mirroring``, ``detection``, ``selling``, ``automation`` and ``wellbeing`` each build one part of a daemon
from these; ``app`` builds all of it on one screen.

A stage imports what feeds it, never what it feeds. A module named by a verb is pure; a module named
by an agent noun does the work. ``pyproject.toml`` holds both rules as import contracts.
"""
