"""The demo: one story, told with the real `openstack` client against a cloud of its own.

`story` is what happens, step by step; `commands` runs clients, pings and logs in; `process` holds the cloud;
`display` shows it. The same story is a test.
"""
