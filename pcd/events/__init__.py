"""What happened to the business, each fact once.

Each event is declared once, as an `EventRule` in `rules`: which resource it watches, what it means in one
sentence, when it happens, what its payload holds. Everything else follows from the declaration:

    changes ──classify──▶ facts ──recorder──▶ automation.event_keys (was it known?) ──▶ automation.events
                │  │                                                                        │
                │  └──▶ pcd.due: moments that are to come, e.g. the end of a due date       └──▶ channels
                └─────▶ pcd.parked: rows that a rule cannot judge, with the reason

`classify` is pure. The `recorder` is one fenced consumer: taking changes, recording what they mean and
remembering what is to come is one transaction, so a crash repeats it whole or not at all. A fact's identity
is the entity and the how-manieth time it happened, or the date that it is about; identities are kept for
ever, so nothing is told twice.
"""
