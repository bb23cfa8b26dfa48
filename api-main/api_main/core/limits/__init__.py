"""How often somebody may ask: counted for each client, in this process or in Redis, answered with 429 beyond.

`declarations` says at a route what is limited, `middleware` looks at every request, `limiter` decides, `storages`
count. Who the client is, `auth/client.py` knows. docs/limits.md is for those who set the limits.
"""
