"""Hybrid Auth API: a JWT in; the rows that Postgres lets its bearer see out."""

import gc

# A hundred thousand objects are made while modules are imported, and all of them stay. To look for garbage among them
# seven hundred at a time, as Python does by itself, takes a fifth of every start.
gc.set_threshold(50_000, 20, 20)
