"""`/api/v1/users`: accounts, for superusers."""
