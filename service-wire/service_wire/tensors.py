"""Inference requests and responses of the Open Inference Protocol v2, both directions, JSON and binary.

A binary message is its JSON followed by the raw bytes of the tensors that say `binary_data_size`, in their order; the
header `Inference-Header-Content-Length` tells how long the JSON is.
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from service_wire.elements import Array, WireError, checked_shape, datatype_of, dtype_of
from service_wire.elements import from_json as elements_from_json
from service_wire.elements import from_raw as elements_from_raw
from service_wire.elements import to_json as elements_to_json
from service_wire.elements import to_raw as elements_to_raw
from service_wire.headers import HEADER_LENGTH

__all__ = [
    "BINARY_OUTPUT",
    "HEADER_LENGTH",
    "InferRequest",
    "InferResponse",
    "RequestedOutput",
    "Tensor",
    "WireError",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
]

BINARY_OUTPUT = {"binary_data_output": True}
"""The parameters of a request that wants every output as raw bytes."""

SHARED_MEMORY = "shared_memory_region"


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named array.

    Attributes:
        array: of a type that the protocol has; BYTES is dtype `object`, each element `bytes`.
        parameters: what the sender adds, without the members that describe the form on the wire.
    """

    name: str
    array: Array
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def datatype(self) -> str:
        """The protocol's name for the type of the elements, such as FP32."""
        return datatype_of(self.array, self.name)


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output that a request asks for by name."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """What is asked of a model. Without `outputs`, all of them are."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[RequestedOutput, ...] = ()
    id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def wants_binary(self, output: str) -> bool:
        """Whether an output is to come as raw bytes: what is said about it counts before what is said about all."""
        for_all = self.parameters.get("binary_data_output", False)
        own = {requested.name: requested.parameters for requested in self.outputs}.get(output, {})
        return own.get("binary_data", for_all) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """What a model answered."""

    model_name: str
    model_version: str
    outputs: tuple[Tensor, ...]
    id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def encode_request(request: InferRequest, *, binary: bool = True) -> tuple[bytes, dict[str, str]]:
    """A request's body and headers.

    Args:
        binary: whether the inputs go as raw bytes. For the outputs, see BINARY_OUTPUT.

    Raises:
        WireError: a tensor cannot be sent in this form.
    """
    head: dict[str, Any] = _given(id=request.id, parameters=dict(request.parameters))
    if request.outputs:
        head["outputs"] = [
            {"name": output.name, **_given(parameters=dict(output.parameters))} for output in request.outputs
        ]
    return _encode(head, "inputs", request.inputs, {tensor.name for tensor in request.inputs} if binary else ())


def decode_request(body: bytes, header_length: int | None) -> InferRequest:
    """A request out of its body and the number in its header `Inference-Header-Content-Length`, if it has one.

    Raises:
        WireError: the body does not follow the protocol.
    """
    head, raw = _read_head(body, header_length)
    outputs = [RequestedOutput(*_named(entry, "output")) for entry in _list(head, "outputs", required=False)]
    _refuse_duplicates("output", (output.name for output in outputs))
    if refused := {SHARED_MEMORY, "classification"} & {name for output in outputs for name in output.parameters}:
        raise WireError(f"The output parameter '{min(refused)}' is not served.")
    return InferRequest(
        id=_id(head),
        inputs=_read_tensors(head, "input", raw),
        outputs=tuple(outputs),
        parameters=_parameters(head, "the request"),
    )


def encode_response(response: InferResponse, *, binary: Collection[str] = ()) -> tuple[bytes, dict[str, str]]:
    """A response's body and headers.

    Args:
        binary: the names of the outputs that go as raw bytes.

    Raises:
        WireError: a tensor cannot be sent in this form.
    """
    head: dict[str, Any] = {"model_name": response.model_name, "model_version": response.model_version}
    head |= _given(id=response.id, parameters=dict(response.parameters))
    return _encode(head, "outputs", response.outputs, binary)


def decode_response(body: bytes, header_length: int | None) -> InferResponse:
    """A response out of its body and the number in its header `Inference-Header-Content-Length`, if it has one.

    Raises:
        WireError: the body does not follow the protocol.
    """
    head, raw = _read_head(body, header_length)
    model = head.get("model_name")
    version = head.get("model_version", "")
    if not isinstance(model, str) or not isinstance(version, str):
        raise WireError("model_name and model_version must be strings.")
    return InferResponse(
        model_name=model,
        model_version=version,
        id=_id(head),
        outputs=_read_tensors(head, "output", raw),
        parameters=_parameters(head, "the response"),
    )


def _encode(
    head: dict[str, Any], member: str, tensors: Iterable[Tensor], binary: Collection[str]
) -> tuple[bytes, dict[str, str]]:
    entries, parts = [], []
    for tensor in tensors:
        entry: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.array.shape), "datatype": tensor.datatype}
        parameters = dict(tensor.parameters)
        if tensor.name in binary:
            parts.append(elements_to_raw(tensor.array, tensor.name))
            parameters["binary_data_size"] = len(parts[-1])
        else:
            entry["data"] = elements_to_json(tensor.array, tensor.name)
        entries.append(entry | _given(parameters=parameters))
    text = json.dumps({**head, member: entries}, allow_nan=False, separators=(",", ":")).encode()
    if not parts:
        return text, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
    return b"".join([text, *parts]), headers


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, {})}


def _read_head(body: bytes, header_length: int | None) -> tuple[dict[str, Any], memoryview]:
    length = len(body) if header_length is None else header_length
    if not 0 <= length <= len(body):
        raise WireError(f"{HEADER_LENGTH} is {length}, and the body has {len(body)} bytes.")
    try:
        head = json.loads(body[:length], parse_constant=_refuse_constant)
    except WireError:
        raise
    except RecursionError:
        raise WireError("The JSON of the message is nested too deeply.") from None
    except ValueError:
        raise WireError("The message is not valid JSON in UTF-8.") from None
    if not isinstance(head, dict):
        raise WireError("The message must be a JSON object.")
    return head, memoryview(body)[length:]


def _refuse_constant(name: str) -> NoReturn:
    raise WireError(f"JSON has no {name}; send it as binary data.")


def _read_tensors(head: dict[str, Any], kind: str, raw: memoryview) -> tuple[Tensor, ...]:
    tensors = []
    for entry in _list(head, f"{kind}s", required=True):
        tensor, raw = _read_tensor(entry, kind, raw)
        tensors.append(tensor)
    _refuse_duplicates(kind, (tensor.name for tensor in tensors))
    if raw:
        raise WireError(f"{len(raw)} bytes follow the last tensor.")
    return tuple(tensors)


def _read_tensor(entry: Any, kind: str, raw: memoryview) -> tuple[Tensor, memoryview]:
    name, parameters = _named(entry, kind)
    dtype, shape = dtype_of(entry.get("datatype"), name), checked_shape(entry.get("shape"), name)
    if SHARED_MEMORY in parameters:
        raise WireError(f"Tensor '{name}': shared memory is not served.")
    if "binary_data_size" not in parameters:
        return Tensor(name, elements_from_json(entry.get("data"), dtype, shape, name), parameters), raw
    size = parameters.pop("binary_data_size")
    if "data" in entry or type(size) is not int or not 0 <= size <= len(raw):
        raise WireError(
            f"Tensor '{name}': binary_data_size must be a whole number within the {len(raw)} bytes that are left,"
            " and data absent."
        )
    return Tensor(name, elements_from_raw(raw[:size], dtype, shape, name), parameters), raw[size:]


def _named(entry: Any, kind: str) -> tuple[str, dict[str, Any]]:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise WireError(f"Each {kind} must be an object with a name.")
    return name, _parameters(entry, f"{kind} '{name}'")


def _parameters(entry: dict[str, Any], whose: str) -> dict[str, Any]:
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise WireError(f"The parameters of {whose} must be an object.")
    return parameters


def _list(head: dict[str, Any], member: str, *, required: bool) -> list[Any]:
    entries = head.get(member, None if required else [])
    if not isinstance(entries, list):
        raise WireError(f"{member} must be a list.")
    return entries


def _id(head: dict[str, Any]) -> str | None:
    identifier = head.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise WireError("id must be a string.")
    return identifier


def _refuse_duplicates(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WireError(f"There are two {kind}s '{name}'.")
        seen.add(name)
