"""What can be wrong with a search."""

from api_main.core.errors import ServiceUnavailable


class NoMeaning(ServiceUnavailable):
    """There is no api-gpu, or no pgvector in the database: an administrator would have to set them up."""

    code, message = "meaning_unavailable", "Searching by meaning is not set up here."
