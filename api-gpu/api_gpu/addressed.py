"""What a request is for: the engine of this process, a model, perhaps one version of it."""

from starlette.requests import Request

from api_gpu.engine import Engine


def engine_of(request: Request) -> Engine:
    """The engine that the application was started with."""
    engine: Engine = request.app.state.engine
    return engine


def model_of(request: Request) -> tuple[str, str | None]:
    """The name of the model in the address and the version, if there is one."""
    return request.path_params["model"], request.path_params.get("version")
