"""`GET /tasks/export`: all of a caller's tasks as one stream, however many there are and however slowly it is read."""
