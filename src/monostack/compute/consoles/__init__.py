"""Consoles: a server's screen and serial line, brought to a browser.

The API hands out a URL with a token that is good for ten minutes and for one server; the proxy on the
customary ports (6080 screens, 6083 serial lines) takes the token and carries bytes between a websocket and
the guest's host. Who has the token has the console, so it is stored hashed and never logged.

Rooms: `tokens`, `api` (what the compute service answers), `proxy` (the websocket), `pages` (noVNC, where it
is installed), `service` (the two ports).
"""
