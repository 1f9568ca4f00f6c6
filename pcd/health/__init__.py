"""Watches over the daemon and what it stands on: measures, judges, heals what is safe to heal, asks a person.

readings ─judge─▶ verdicts ─┬─▶ alerts ─▶ Slack, e-mail, webhook
                            └─▶ prescribe ─▶ remedy ─▶ measured again ─▶ better, or a person
"""
