"""PostgreSQL: how it is reached, shaped, shared and kept.

**Transactions.** `pool.Database.transaction` is the only way into one. What was begun is ended, whoever
cancels: commit, rollback and the way back into the pool are shielded and bounded, so that a cancelled
task leaves no busy connection and a frozen server no hanging shutdown. Each statement has a timeout on
both sides. asyncpg's errors become ours in `errors`, nowhere else.

**Leases.** Some things only one process may do at a time, and processes stop, are suspended and lose
their network at any moment. A lease is a row with a term from a sequence (`leases`)::

                    take: the row is absent, or expired
        (free) ────────────────────────────────────────────▶ HELD by A, term 7
          ▲                                                     │  │    ▲
          │ release: the row of this term is deleted            │  │    │ renew, every ttl/3:
          └─────────────────────────────────────────────────────┘  │    │ expires_at moves,
                                                                    │    │ the term stays
                    not renewed for ttl                             ▼    │
        HELD by B, term 8 ◀──────────────────────────── EXPIRED, still term 7
                    take: under a new term

1. *A* believes in its lease for nine tenths of the ttl after it last *asked* for it, on its own monotonic
   clock. Past that, or when a renewal finds another term, the body of ``hold`` is cancelled.
2. Belief does not protect data; the *fence* does. A transaction that writes under the lease first locks the
   row of its own term ``FOR KEY SHARE``. No row: somebody took over, LeaseLost.
3. The term is part of a key. A takeover changes it and therefore waits for fenced transactions under way;
   a renewal changes no key and passes them by. So either *A*'s transaction commits before *B*'s term
   exists, or it does not commit.

All times in the row are the database's.

**Shape.** `migrate` brings any database, empty or the old system's (`adopt`), to what this version needs,
one process at a time, and finds nothing to do the second time.

**The embedded server** (`embedded`, `cluster`, `account`, `binaries`, `settings`) runs detached, because a
command must be able to use it beside the daemon and after the daemon's sudden death. Each user holds a
shared lock on a file in ``data_dir`` as long as it lives. Who leaves asks for the exclusive lock without
waiting, and so learns whether it is alone:

=========================  ==================  ==========================================
who leaves                 is alone            is not alone
=========================  ==================  ==========================================
the daemon (owner)         stops the server    leaves a marker: the last one out stops it
who started it             stops the server    leaves a marker
who found it running       stops it only if    leaves it running
                           there is a marker
=========================  ==================  ==========================================

A killed process loses its lock with its life and leaves no marker, so its server runs on and is found.
Starting and stopping happen under a second lock, one at a time. The server listens on a socket in a folder
of mode 0700 and nowhere else, and asks the kernel who calls; under root it runs as an unprivileged user,
and nothing outside ``data_dir`` changes its permissions for that.

**Dumps** are PostgreSQL's own (`backup`); each appears whole or not at all.
"""
