"""Mirrored tables → changes: every write, whoever made it, consumed once.

What is promised
    Each committed transaction that leaves a tracked column of a mirrored row different becomes one change
    of that row, with the values before and after; of one row's changes the consumer sees none twice, none
    out of order and, whatever crashes, none never. A write by the sync counts as much as one in psql.

How a write becomes a change
    ::

        any writer ──trigger──▶ pcd.outbox ──take──▶ what follows, and pcd.change_log
             │ commit                 ▲                (one transaction of the one consumer)
             └─────NOTIFY (a hint)────┴──poll (the truth)

    `capture` writes the triggers. They run inside the writer's statement, so a change is in the outbox if and
    only if it is committed. `armer` puts them on a table when its first load is complete.

Why nothing is skipped
    Ids of the outbox are handed out before commit: a transaction may commit ids lower than those that were
    read already. A reader that remembers how far it has read would lose them, and one that waits for the
    oldest open transaction stands still while anybody, in any database of the cluster, holds one open. So
    the consumer remembers nothing: it deletes what it reads, in the transaction that makes use of it, and
    what appears later, with whatever id, is still there. Each consuming transaction is fenced by a lease.
    If it is lost in a crash, the outbox rows are back, and it is done again.

    Changes of one row come in the order of their commits all the same: the second writer waits for the
    row, and its trigger, which asks for the id, runs after the first one's commit.

What NOTIFY is worth
    A wake-up, at most. It is lost while nobody listens, it never comes through a pooler that lends
    sessions, and a frozen server or a dead network drops it in silence. `listener` measures it with a
    canary and polls while that does not fly; and polls now and then in any case.

    It cannot be part of a prepared transaction: a writer that uses PREPARE TRANSACTION has to detach.

What is no change
    What a transaction undoes itself: only what it came to was ever visible (`net`). A row that is deleted
    and comes back, as when a table is reloaded: it is compared with what it was when it left. A write under
    ``session_replication_role = replica``, which asks PostgreSQL for exactly that.
"""
