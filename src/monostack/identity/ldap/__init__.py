"""Users and groups that live in a directory (LDAP) and are only read here."""
