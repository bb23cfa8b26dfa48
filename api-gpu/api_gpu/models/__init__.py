"""The models that come with the service, and what stands between them and their callers."""
