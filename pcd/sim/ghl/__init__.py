"""GoHighLevel, one sub-account of it, as its documents and the reports of its users describe it.

    person ─edits─▶ store ◀─writes── contacts / opportunities / conversations / account
                      │                          ▲
    request ─▶ front (log, faults) ─▶ gate ─▶ validate

`subaccount.open_subaccount` puts it all together; ``pcd sim`` serves it. What nobody has published is
decided in `settings.GhlSimSettings` and listed, with its reason, in `guesses.GUESSES`.
"""
