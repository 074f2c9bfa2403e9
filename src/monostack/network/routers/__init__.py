"""Routers: `api` is what their users see, `gateways` and `interfaces` are their two kinds of ports, `rows`
decides which host carries one."""
