"""all-MiniLM-L6-v2: a text in, a vector of 384 numbers out."""
