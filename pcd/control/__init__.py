"""How commands reach a running daemon: one JSON object a line over a Unix socket that only its owner may use.

A connection begins with ``hello``, in which both sides say their protocol. Then each request is answered in
turn: any number of ``progress`` lines, and one ``result`` or ``error``::

    → {"id": 1, "method": "hello", "params": {"protocol": 1}}
    ← {"id": 1, "result": {"protocol": 1, "version": "0.1.0", "pid": 4711}}
    → {"id": 2, "method": "sync.run", "params": {"mode": "full"}}
    ← {"id": 2, "progress": {"resources": {"customers": {"fetched": 5000}}, "seconds": 1.2}}
    ← {"id": 2, "result": {"resources": []}}

A client that goes away takes nothing with it: a sync that it asked for runs on.
"""
