"""Redis, where there is one: what processes share of budgets and answers, and events for other programs.

Losing it costs speed, never correctness: nothing is kept there that is not kept in PostgreSQL.
"""
