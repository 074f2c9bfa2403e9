"""The node: what a host does. Its agent learns what should be, drivers make it so, and it reports what is.

Nothing in here knows the services' HTTP APIs or a database: parts come in and facts go out as plain JSON
objects, the same whether the cloud is in this process or far away.
"""
