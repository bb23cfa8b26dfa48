-- private.prefix_query and private.highlight: free text in, a query or HTML out.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;

select plan(14);

select is(private.prefix_query(words)::text, query, 'The query of ' || quote_literal(words))
from (values
  ('', ''), ('  ', ''), ('!?', ''), ('ada', $$'ada':*$$), ('Ada LOVE', $$'ada':* & 'love':*$$),
  ($$o'brien$$, $$'brien':* & 'o':*$$), ('a & b | !c', $$'a':* & 'b':* & 'c':*$$)
) t (words, query);
select ok(
  to_tsvector('simple', 'Ada Lovelace') @@ private.prefix_query('love ad'),
  'Beginnings of words match, in any order');
select ok(
  not to_tsvector('simple', 'Ada Lovelace') @@ private.prefix_query('lace'), 'Ends of words do not');
select is(
  private.highlight('<b>Ada</b> & "co"', private.prefix_query('ada'), true),
  '&lt;b&gt;<mark>Ada</mark>&lt;/b&gt; &amp; &quot;co&quot;', 'What matches is marked, and the rest is escaped');
select is(private.highlight('Bob', private.prefix_query('ada'), true), 'Bob', 'A text that does not match stays whole');
select ok(
  private.highlight(repeat('word ', 200) || 'ada', private.prefix_query('ada'), false) like '%<mark>ada</mark>'
    and char_length(private.highlight(repeat('word ', 200) || 'ada', private.prefix_query('ada'), false)) < 300,
  'Of a long text there is only the part that matches');

set local role authenticated;
select lives_ok($$select private.prefix_query('x')$$, 'authenticated may run them');
set local role anon;
select throws_ok($$select private.prefix_query('x')$$, '42501', null, 'anon may not');

select * from finish();
rollback;
