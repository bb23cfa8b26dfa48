"""What OpenAPI says about messages of the Open Inference Protocol, which are passed on unread."""

from typing import Any

from api_main.auth.dependencies import CALLER
from api_main.core.openapi import BODY, errors
from api_main.gpu.errors import GpuUnavailable, InferenceRefused, ModelNotFound
from service_wire.headers import HEADER_LENGTH

BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
TENSOR: dict[str, Any] = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string", "examples": ["FP32"]},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    },
}
TEXT = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Write the announcement"]}
REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An inference request: https://github.com/kserve/open-inference-protocol",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {"type": "array", "items": TENSOR},
                        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                    },
                },
                "examples": {"text-embedding": {"value": {"inputs": [TEXT]}}},
            },
            "application/octet-stream": BINARY,
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    **errors(*CALLER, *BODY, ModelNotFound, InferenceRefused, GpuUnavailable),
    200: {
        "description": "The inference response, as the model gave it",
        "headers": {
            HEADER_LENGTH: {"schema": {"type": "integer"}, "description": "How long the JSON of a binary one is"}
        },
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model_name", "outputs"],
                    "properties": {
                        "model_name": {"type": "string"},
                        "model_version": {"type": "string"},
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "outputs": {"type": "array", "items": TENSOR},
                    },
                }
            },
            "application/octet-stream": BINARY,
        },
    },
}
