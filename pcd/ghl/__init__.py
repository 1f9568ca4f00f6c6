"""Speaks to GoHighLevel's API for one subaccount, an onion with one concern a layer.

::

    client         the methods: what is asked for, and the shapes of what comes back
    caller         decode and try again, but never a write that may have arrived
    limiter        pace: so many in ten seconds, urgent ones first, the day's budget kept by a ledger
    authenticator  authorize: a private token, read again from its file when it is refused;
                   or ``oauth``: what an app was granted, renewed once for everybody, kept sealed
    fetcher        exchange: one HTTP request (`pcd.fetcher`)

The layers decide nothing themselves. What an answer means is said by ``classify``, whether and when
to try again by ``retry`` (`pcd.retry`), what to ask for by ``paginate``, what is in a body by ``decode``
and ``interpret``, how much of the day is left for whom by ``ration``, what is wrong with an account by
``vet``, and whether a webhook is theirs by ``admit`` and ``verify``: all pure, all tested by tables of
cases.

``checker`` tells a person whether everything over there is as the configuration says, ``meter`` tells
the metrics what was asked. Facts about GoHighLevel stand where they are used, with their source.
"""
