"""How fast is it? `./scripts/bench` measures this API next to the ordinary way and to Postgres alone."""
