"""What follows from an event: workflows, begun exactly once, carried on step by step whatever dies meanwhile.

    event ──match──▶ starter ──▶ instance ──due──▶ runner ──▶ action ──▶ outcome ──advance──▶ instance
                                     ▲                                                          │
                                     └──────────── rescuer (a lease ran out) ◀──────────────────┘

An instance is started in the transaction that records its event, once for each workflow and event. A step
is executed at least once, under a lease and with an idempotency key; its outcome is a value, and the pure
`advance` says what follows. Definitions are data: `workflow` holds their shape, `conditions` their
grammar, `facts` what they may ask. What a step can do is an `Action`; they are implemented in `pcd.actions`.
"""
