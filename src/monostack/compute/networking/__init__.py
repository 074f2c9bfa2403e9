"""What compute's API offered before networking had one: security groups, floating addresses, networks.

Kept until the microversion in which they ended (2.35, 2.43 for actions), for clients of old guides.
Everything is asked of networking through its face; here are only the shapes of then.
"""
