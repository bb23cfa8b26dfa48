"""Headers of the Open Inference Protocol, apart from its tensors: those take NumPy."""

HEADER_LENGTH = "Inference-Header-Content-Length"
"""How long the JSON of a message is that raw bytes follow."""
