"""Move accounts, and what belongs to them, from a standalone database to a Supabase project.

What is copied: `auth.users` with password hashes and metadata, `auth.identities`, `public.profiles`, `public.tasks`.
Sessions are not: the new project signs tokens with keys of its own, so everybody signs in once more.

It may be run as often as one likes, say once to copy and once more at the moment of the move:

- A row that the target lacks is added, with its id and its times.
- A row that both have is changed only where it differs and the target's has not been changed later (`updated_at`).
- Nothing is deleted: what is deleted at the source after a run stays on the target.
- An account whose e-mail, phone, identity or user name belongs to another account of the target is left out whole,
  and reported.

Each batch of accounts is one transaction, together with everything that belongs to them.
"""
