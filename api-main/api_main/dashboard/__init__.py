"""`/api/v1/dashboard`: numbers; everybody's for superusers, one's own for all others."""
