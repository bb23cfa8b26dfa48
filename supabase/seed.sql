-- Demo accounts for `supabase start` and `supabase db reset`: ada@example.com and grace@example.com with tasks, and
-- admin@example.com, a superuser. Their password is correct-horse-demo. A database that has any account is left
-- as it is: real accounts never get these beside them, and what a demo account has deleted stays deleted.
do $seed$
declare
  password constant text := '$2b$12$eJRk/CG4YbyCUIFjZgi.8.5ibpESVaiYu.zMZtp0mhXAifDDFWk8e';
  ada constant uuid := 'ada00000-0000-4000-8000-000000000001';
  grace constant uuid := '97ace000-0000-4000-8000-000000000002';
  admin constant uuid := 'ad314000-0000-4000-8000-000000000003';
begin
  if exists (select from auth.users) then
    return;
  end if;

  -- Supabase Auth finds an account by this instance_id alone, and cannot read a token column that is null.
  insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    confirmation_token, recovery_token, email_change, email_change_token_new, created_at, updated_at
  )
  select
    '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email, password, now(),
    '{"provider": "email", "providers": ["email"]}', jsonb_build_object('full_name', full_name),
    '', '', '', '', now(), now()
  from (values
    (ada, 'ada@example.com', 'Ada Lovelace'),
    (grace, 'grace@example.com', 'Grace Hopper'),
    (admin, 'admin@example.com', 'Admin')
  ) person (id, email, full_name);

  insert into auth.identities (provider_id, user_id, provider, identity_data, created_at, updated_at)
  select
    id::text, id, 'email', jsonb_build_object('sub', id, 'email', email, 'email_verified', true), now(), now()
  from auth.users;

  update public.profiles set is_superuser = true where id = admin;

  insert into public.tasks (owner_id, title, description, status, priority, due_at)
  select
    owner_id, title, description, status::public.task_status, priority::public.task_priority,
    now() + due * interval '1 day'
  from (values
    (ada, 'Write note G', 'The numbers of Bernoulli, step by step', 'in_progress', 'urgent', 2),
    (ada, 'Translate Menabrea''s paper', 'From French, with notes', 'completed', 'high', null),
    (ada, 'Order punched cards', null, 'pending', 'medium', 7),
    (ada, 'Visit Mr Babbage''s workshop', 'Ask about the mill and the store', 'pending', 'high', 1),
    (ada, 'Sell the racehorse', null, 'cancelled', 'low', null),
    (grace, 'Tape the moth into the logbook', 'Relay 70, panel F', 'completed', 'low', null),
    (grace, 'Finish the compiler', 'Nobody believes that it can be done', 'in_progress', 'urgent', 3),
    (grace, 'Cut wires for the talk', '11.8 inches: a nanosecond each', 'pending', 'medium', 5),
    (grace, 'Review the COBOL report', null, 'pending', 'high', 10),
    (grace, 'Set the clock to run backwards', null, 'pending', 'low', -1)
  ) task (owner_id, title, description, status, priority, due);
end $seed$;
