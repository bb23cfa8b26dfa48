"""What the application was started with (`app.state`), as a route asks for it."""

from functools import cache
from typing import Any

from fastapi import Request, params


@cache
def resource(name: str) -> params.Depends:
    """For an alias: `CurrentSettings = Annotated[Settings, resource("settings")]`."""

    async def get_resource(request: Request) -> Any:
        return getattr(request.app.state, name)

    return params.Depends(dependency=get_resource)
