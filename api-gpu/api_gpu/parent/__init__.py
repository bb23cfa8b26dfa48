"""The process that is there while the server is not: `docs/api-gpu.md`. It imports nothing but the standard library."""
