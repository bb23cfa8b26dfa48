"""The schema's history: `supabase/migrations/*.sql` is its only source, and Alembic runs those files."""
