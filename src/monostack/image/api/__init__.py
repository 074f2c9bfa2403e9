"""What the image service answers over HTTP, one module a resource."""
