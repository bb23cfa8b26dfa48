"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again is not done again.

A router whose POSTs create something takes `route_class=IdempotentRoute`; such a POST takes its session from
`creation_for(…)` instead of `session_for(…)`, and lists `KEY_ERRORS` among its errors.
"""
