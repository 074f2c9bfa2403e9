"""What a login gives: tokens, the keys they are made with, and how they end."""
