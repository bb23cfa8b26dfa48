"""Accounts that Supabase Auth keeps: what `/api/v1/auth` calls where `SUPABASE_URL` is set."""
