from __future__ import annotations

from pcd.db.backup import children_first

CONTENTS = """\
;
; Selected TOC Entries:
;
257; 1259 380076 TABLE automation events postgres
258; 1259 380090 TABLE automation events_default postgres
3458; 0 0 TABLE ATTACH automation events_default postgres
3870; 2606 380080 CONSTRAINT automation decisions decisions_pkey postgres
3869; 2606 380085 CONSTRAINT automation events events_pkey postgres
3875; 2606 380099 CONSTRAINT automation events_default events_default_pkey postgres
4090; 0 0 INDEX ATTACH automation events_default_pkey postgres
4100; 2606 380105 FK CONSTRAINT automation events_default events_default_fkey postgres
"""


def test_key_of_a_partition_comes_before_the_key_of_its_parent() -> None:
    """And nothing else moves, nothing is lost."""
    lines = children_first(CONTENTS).splitlines()
    assert [line.split()[-2] for line in lines[6:9]] == [
        "events_default_pkey",
        "decisions_pkey",
        "events_pkey",
    ]
    assert sorted(lines) == sorted(CONTENTS.splitlines())
    assert lines[:6] + lines[9:] == CONTENTS.splitlines()[:6] + CONTENTS.splitlines()[9:]


def test_contents_without_partitions_stay_as_they_are() -> None:
    plain = "".join(line + "\n" for line in CONTENTS.splitlines() if "ATTACH" not in line)
    assert children_first(plain) == plain
    assert children_first("") == "\n"
