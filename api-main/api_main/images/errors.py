"""What can be wrong with a picture."""

from api_main.core.errors import ValidationFailed


class ImageInvalid(ValidationFailed):
    """Not what it says that it is, or nothing that can be decoded."""

    code, message = "image_invalid", "This is no PNG, JPEG or WebP image that can be read."


class ImageTooLarge(ValidationFailed):
    """More pixels than we would decode, however few bytes they come in."""

    code, message = "image_too_large", "The image must not have more than 40 megapixels."
