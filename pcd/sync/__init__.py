"""ServiceTitan → mirrored tables.

What a sync promises
    After a pass over a resource that ended ``completed``, every record that upstream served is in its
    table exactly once, ``full_data`` equal to what was served, or it is in ``pcd.quarantine`` with the
    reason. Nothing that is unchanged is written.

How a pass runs
    `plan` decides which walks bring a resource up to date (pure). `puller` walks: the next page is
    fetched while `writer` stores the present one. A page, the ids seen and the position reached are
    one transaction, fenced by the lease, so that a kill at any instant loses nothing and a process
    that lost its lease cannot write.

Two views of one export
    The plain export lags a quarter of an hour; its continuation token is the durable cursor. The view
    of recent changes shows a change at once and may repeat itself; it is read from the same token,
    which is never moved by it. `weigh` decides which of two states of a record is the newer.

    ::

        durable token ──plain──▶ next durable token
              └──────recent────▶ rows now, token thrown away

Where there is no export
    A paged list is read in closed windows of modification time, and read again when its total
    shrank or fewer distinct records came than it counts: page numbers shift under a moving list.

Gone upstream
    A full sync notes every id it sees. `reconciler` marks the rows that were not seen
    (``st_deleted_at``), after asking upstream for them by id where it can, and never more than a
    twentieth of a resource without a person's word.
"""
