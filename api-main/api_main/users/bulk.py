"""Many accounts at once: in the request, or sealed and handed to a worker."""

import json
from collections.abc import Sequence

from pydantic import TypeAdapter

from api_main.core.settings import Settings
from api_main.users.schemas import UserCreate
from api_main.users.sealing import seal, unseal

KIND = "users.create"
FORMS = TypeAdapter(list[UserCreate])


async def pack(forms: Sequence[UserCreate], settings: Settings) -> bytes:
    """The forms as a job may keep them, passwords and all.

    Raises:
        SealingUnavailable
    """
    dumped = [
        {
            **form.model_dump(mode="json", exclude_unset=True, exclude={"password"}),
            **({"password": form.password.get_secret_value()} if form.password is not None else {}),
        }
        for form in forms
    ]
    return await seal(json.dumps(dumped).encode(), settings)


async def unpack(content: bytes, settings: Settings) -> list[UserCreate]:
    """Raises: SealBrokenError."""
    return FORMS.validate_json(await unseal(content, settings))
