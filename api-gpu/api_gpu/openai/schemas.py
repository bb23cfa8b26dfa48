"""A request for embeddings, read with the errors that OpenAI's clients know."""

import json
from dataclasses import dataclass
from typing import Any

from api_gpu.errors import InvalidRequest
from api_gpu.openai.errors import InvalidParameter

MOST_INPUTS = 2048  # as at OpenAI


@dataclass(frozen=True, slots=True)
class EmbeddingsRequest:
    """What may be asked (https://platform.openai.com/docs/api-reference/embeddings/create)."""

    model: str
    texts: tuple[bytes, ...]
    base64: bool
    dimensions: int | None

    @classmethod
    def parse(cls, body: bytes) -> "EmbeddingsRequest":
        """Read a body.

        Raises:
            InvalidRequest: it is no JSON object.
            InvalidParameter: a member of it will not do.
        """
        try:
            members = json.loads(body)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict):
            raise InvalidRequest("The body must be a JSON object.")
        return cls(
            model=_model(members.get("model")),
            texts=_texts(members.get("input")),
            base64=_encoding_format(members.get("encoding_format")) == "base64",
            dimensions=_dimensions(members.get("dimensions")),
        )


def _model(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidParameter("model", "model must be the name of a model.")
    return value


def _texts(value: Any) -> tuple[bytes, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise InvalidParameter("input", "input must be a string, or a list of strings that is not empty.")
    if all(_is_tokens(item) for item in texts):
        raise InvalidParameter("input", "input must be text: token ids mean something else to each model.")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidParameter("input", "Each input must be a string.")
    if len(texts) > MOST_INPUTS:
        raise InvalidParameter("input", f"A request may have {MOST_INPUTS} inputs, not {len(texts)}.")
    if "" in texts:
        raise InvalidParameter("input", "An input is an empty string.")
    return _encoded(texts)


def _is_tokens(item: Any) -> bool:
    return type(item) is int or (isinstance(item, list) and all(type(token) is int for token in item))


def _encoded(texts: list[str]) -> tuple[bytes, ...]:
    try:
        return tuple(text.encode() for text in texts)
    except UnicodeEncodeError:
        raise InvalidParameter("input", "An input holds half of a surrogate pair, which is no text.") from None


def _encoding_format(value: Any) -> str:
    if value not in (None, "float", "base64"):
        raise InvalidParameter("encoding_format", "encoding_format must be float or base64.")
    return value or "float"


def _dimensions(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise InvalidParameter("dimensions", "dimensions must be a whole number greater than 0.")
    return value
