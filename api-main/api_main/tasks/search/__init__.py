"""Tasks by words, by meaning, and by both."""
