"""The way to api-gpu: one client, and what it can be asked."""
