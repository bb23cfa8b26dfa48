"""The models that come with the service, by name."""

from collections.abc import Callable, Mapping
from functools import partial

from api_gpu.models.build_cache import Recipe
from api_gpu.models.images import recipe as images
from api_gpu.models.text_embedding import recipe as text_embedding
from api_gpu.models.text_embedding.recipe import Precision


def recipes(precision: Precision) -> Mapping[str, Callable[[], Recipe]]:
    """How to make each of them. A recipe reads source files, so it is asked for only when it is needed."""
    return {
        text_embedding.NAME: partial(text_embedding.recipe, precision),
        **{name: partial(images.recipe, name) for name in images.NAMES},
    }
