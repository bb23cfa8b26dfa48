"""The numbers, in one statement."""

from typing import LiteralString

from api_main.core.prelude import Query

DAYS = 30

OWN: LiteralString = """
select json_build_object(
  'scope', 'own',
  'users', null,
  'tasks', json_build_object(
    'total', count(*),
    'by_status', json_build_object(
      'pending', count(*) filter (where status = 'pending'),
      'in_progress', count(*) filter (where status = 'in_progress'),
      'completed', count(*) filter (where status = 'completed'),
      'cancelled', count(*) filter (where status = 'cancelled')
    ),
    'by_priority', json_build_object(
      'low', count(*) filter (where priority = 'low'),
      'medium', count(*) filter (where priority = 'medium'),
      'high', count(*) filter (where priority = 'high'),
      'urgent', count(*) filter (where priority = 'urgent')
    ),
    'overdue', count(*) filter (where status in ('pending', 'in_progress') and due_at < now())
  ),
  'counted_at', now()
) from public.tasks
"""

NUMBERS = Query(f"select case when (select private.is_superuser()) then private.all_numbers({DAYS}) else ({OWN}) end")
"""One row: the numbers of everybody for a superuser, else those of the caller, as JSON."""
