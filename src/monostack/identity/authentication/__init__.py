"""Who is it? Logging in, by whatever method, and what a caller may ask about himself."""
