"""Messages to customers: what they say, whether one may go now, who sends it, and the record of it.

A message is claimed in ``automation.messaging_log`` before anybody is called, and a call without an
answer is parked for a person: nothing here sends the same message twice.
"""
