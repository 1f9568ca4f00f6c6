"""Redis, where there is one: a budget that processes share, and a stream of events for other programs.

Losing it costs speed, never correctness: nothing is kept there that is not kept in PostgreSQL.
"""
