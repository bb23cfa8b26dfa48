"""A stand-in for api-gpu on a real socket: its wire format, service tokens and moods, without its models.

Its vectors depend on words alone: texts with a word in common, or a synonym, are near to each other.
"""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from service_wire.service_token import ServiceTokenRefused, ServiceTokenVerifier, generate_key, public_keys, subject_of
from service_wire.tensors import (
    HEADER_LENGTH,
    InferRequest,
    InferResponse,
    Tensor,
    WireError,
    decode_request,
    encode_response,
)
from tests.serving import serve

DIMENSIONS = 384
SYNONYMS = {"car": "vehicle", "automobile": "vehicle", "invoice": "bill", "bills": "bill", "purchase": "buy"}
UNEMBEDDABLE = "unembeddable"
NOT_AN_IMAGE = b"not an image"


@dataclass
class Mood:
    """What the next requests meet with.

    Attributes:
        asleep: requests wait until `StandIn.finish_starting`.
        cannot_start: 503 at once, as from the parent of a server that dies as it starts.
        answers: statuses to answer the next requests for work with, before any is done.
        answers_for: the model that they are for, or any. An embedder at work beside the test would take one of them.
        breaks_off: so many of the next requests for work lose their connection.
        seconds: how long work takes.
    """

    asleep: bool = False
    cannot_start: bool = False
    retry_after: str = "1"
    answers: list[int] = field(default_factory=list)
    answers_for: str = ""
    breaks_off: int = 0
    seconds: float = 0.0
    version: str = "1"


class StandIn:
    """Speaks the Open Inference Protocol as api-gpu does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.key = generate_key()
        self._verifier = ServiceTokenVerifier(public_keys(self.key))
        self._started = threading.Event()
        self.reset()

    def asked(self, model: str) -> list[str]:
        """What was asked of a model, or of those whose names begin so: embedders of other tests may be at work."""
        return [subject for subject in self.seen if f"/models/{model}" in subject]

    def reset(self) -> None:
        self.mood = Mood()
        self.seen: list[str] = []
        self.embedded: list[str] = []
        self.deadlines: list[int] = []
        self.starts = 0
        self._started.clear()

    def finish_starting(self) -> None:
        self._started.set()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[str]:
        """Its base URL, while it is there."""
        app = FastAPI(openapi_url=None)
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "POST"])
        with serve(app, port) as url:
            yield url

    async def _answer(self, request: Request) -> Response:
        subject = subject_of(request.method, request.scope["raw_path"].decode())
        try:
            self._verifier.verify(request.headers.get("authorization", "").removeprefix("Bearer "), subject)
        except ServiceTokenRefused:
            return JSONResponse({"error": "no"}, 401)
        self.seen.append(subject)
        self.deadlines.append(int(request.headers["x-request-deadline-ms"]))
        if self.mood.cannot_start:
            return JSONResponse({"error": "it cannot start"}, 503, {"Retry-After": self.mood.retry_after})
        await self._wake_up()
        if request.url.path == "/v2":
            return JSONResponse({"name": "stand-in"})
        return await self._work(request)

    async def _wake_up(self) -> None:
        if self.mood.asleep:
            self.starts += 1
            while not self._started.is_set():  # noqa: ASYNC110 - set in another thread
                await asyncio.sleep(0.005)
            self.mood.asleep = False

    async def _work(self, request: Request) -> Response:
        if self.mood.breaks_off > 0:
            self.mood.breaks_off -= 1
            return _Broken(b"half", headers={"Content-Length": "100"})
        if self.mood.answers and self.mood.answers_for in request.url.path:
            status = self.mood.answers.pop(0)
            return JSONResponse({"error": f"status {status}"}, status, {"Retry-After": self.mood.retry_after})
        await self._take_time(self.mood)
        length = request.headers.get(HEADER_LENGTH)
        model = request.path_params["path"].removeprefix("v2/models/").removesuffix("/infer")
        try:
            return self._infer(model, decode_request(await request.body(), None if length is None else int(length)))
        except (WireError, LookupError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    async def _take_time(self, mood: Mood) -> None:
        """Until the test is over, at the longest."""
        end = time.monotonic() + mood.seconds
        while time.monotonic() < end and self.mood is mood:  # noqa: ASYNC110 - replaced in another thread
            await asyncio.sleep(min(0.02, mood.seconds))

    def _infer(self, model: str, asked: InferRequest) -> Response:
        inputs = {tensor.name: tensor.array for tensor in asked.inputs}
        match model:
            case "text-embedding":
                texts = [text.decode() for text in inputs["text"].tolist()]
                if any(UNEMBEDDABLE in text for text in texts):
                    return JSONResponse({"error": "input 'text': it will not do"}, 400)
                self.embedded += texts
                output = Tensor("embedding", np.stack([embed(text, self.mood.version) for text in texts]))
            case "image-thumbnail" | "image-hash":
                (picture,) = inputs["image"].tolist()
                if NOT_AN_IMAGE in picture:
                    return JSONResponse({"error": "input 'image': cannot be decoded"}, 400)
                output = _thumbnail(inputs) if model == "image-thumbnail" else _hash(picture)
            case "double":
                output = Tensor("doubled", inputs["number"] * 2)
            case _:
                return JSONResponse({"error": f"there is no model '{model}'"}, 404)
        binary = [output.name] if asked.wants_binary(output.name) else []
        body, headers = encode_response(
            InferResponse(model_name=model, model_version=self.mood.version, outputs=(output,)), binary=binary
        )
        return Response(body, headers=headers)


class _Broken(Response):
    """Says that it is longer than it is: the server closes the connection in the middle."""


def embed(text: str, version: str = "1") -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The vector of a text, of length 1."""
    words = re.findall(r"\w+", text.lower()) or [""]
    found = sum((_direction(SYNONYMS.get(word, word), version) for word in words), start=np.zeros(DIMENSIONS))
    vector: np.ndarray[tuple[int], np.dtype[np.float32]] = (found / np.linalg.norm(found)).astype(np.float32)
    return vector


def _direction(word: str, version: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seed = int.from_bytes(sha256(f"{version} {word}".encode()).digest()[:8])
    direction: np.ndarray[tuple[int], np.dtype[np.float64]] = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return direction


def _thumbnail(inputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]) -> Tensor:
    """Not a picture: what it would have been made of."""
    (width, height), form = inputs["size"][0].tolist(), inputs["format"].tolist()[0].decode()
    return Tensor("thumbnail", np.array([f"{form} {width}x{height}".encode()], dtype=object))


def _hash(picture: bytes) -> Tensor:
    return Tensor("hash", np.array([sha256(picture).hexdigest()[:16].encode()], dtype=object))
