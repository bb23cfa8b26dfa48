"""uvicorn around the application: on sockets that somebody else opened, and asleep again when nothing is to do."""
