"""Changes, as they happen: over Server-Sent Events and WebSockets, to those whose rows they are."""
