"""A stand-in for a hosted Supabase project: the same roles, owners and rights, on a plain PostgreSQL."""
