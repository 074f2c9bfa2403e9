"""What every service stands on: routes as data, one database engine, policy, loops, agents, events.

Nothing in here knows a service. A service declares resources (fields, rows, handlers, routes); the kit turns
them into HTTP answers, durable rows and work for the hosts.
"""
