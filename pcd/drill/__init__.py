"""The fire drill: break what a simulated company's daemon stands on, and see what it does about it.

`scenarios` declares what is broken; `driller` breaks it while customers arrive, waits until the daemon has
said something about it and until all is well again, and counts what was lost on the way.
"""
