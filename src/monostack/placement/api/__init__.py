"""What placement answers over HTTP, one module a resource."""
