"""Whole lists of tasks, in and out: files, numbers and charts, for background jobs."""
