"""What conditions and templates may speak of.

`catalogue.FACTS` declares every fact: its name, its kind, and where it is from. `reader.FactReader` reads
them for one instance at the moment of judging. Besides these there are ``event.<key>``, what the event that
started the instance carries, and ``context.<key>``, what its steps have put there.
"""

from __future__ import annotations

from pcd.workflows.facts.catalogue import FACTS
from pcd.workflows.facts.fact import Fact, Kind, Subject

__all__ = ["FACTS", "Fact", "Kind", "Subject"]
