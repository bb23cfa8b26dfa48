"""`/api/v1/audit-log`: who changed what about whom. The database writes it by itself."""
