"""Acting for another: trusts and application credentials."""
