"""Tries definitions before they are used: on one event, on a made-up one, or on recorded history.

Nothing is sent and nothing is written. What nobody records over time, such as an opt-out, is taken as it is
now; the columns of what an event was about are taken from the events that were recorded until then.
"""
