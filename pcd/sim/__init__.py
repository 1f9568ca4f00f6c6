"""Simulators of the services that pcd talks to, for tests, for the demo and for trying things out.

ServiceTitan, as its documents and the published observations of its users describe it:

    company ─founds─▶ store ◀─changes── life
                        │
    request ─▶ gate ─▶ server ─▶ listing / exporting ─▶ drift ─▶ answer
                        ▲
          settings (what is undocumented), faults, switches (under /_sim)

`tenant.open_tenant` puts it all together; ``pcd sim`` serves it. GoHighLevel is in `pcd.sim.ghl`. Twilio,
SendGrid, webhooks, Slack and the model are in `providers` and `assistant`, SMTP in `mailbox`; these and
GoHighLevel share `front` (the log of calls, and what goes wrong on the way) and `trouble`.
"""
