"""`/auth/v1`: Supabase Auth's wire format in front of our accounts, so that its clients work against us unchanged."""
