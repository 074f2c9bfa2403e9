"""Projects, their tree and their tags."""
