"""Speaks to ServiceTitan's API, an onion with one concern a layer.

::

    client         decode and try again: a page that does not decode is fetched once more
    limiter        pace: so many a second, so many at once, nobody while we were told to wait
    authenticator  authorize: the current token for every attempt, a new one after the first 401
    fetcher        exchange: one HTTP request (`pcd.fetcher`)

The layers decide nothing themselves. What an answer means is said by ``classify``, whether and when
to try again by ``retry``, what is wrong with the settings by ``vet``, what to ask for by ``paginate``
and what is in a body by ``decode``: all pure, all tested by tables of cases.

``client`` puts them together; ``checker`` tells a person whether the credentials work. Facts about
ServiceTitan stand where they are used, with their source.
"""
