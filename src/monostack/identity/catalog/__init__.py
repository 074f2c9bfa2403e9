"""Where the services are: services, their endpoints by region, and the policies kept for them."""
