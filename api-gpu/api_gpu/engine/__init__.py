"""Runs models: finds and loads them, batches their inputs, and throws out what nobody uses."""

from api_gpu.engine.answers import Inference, ModelMetadata, ModelState
from api_gpu.engine.engine import Engine
from api_gpu.engine.observer import EngineObserver
from api_gpu.engine.settings import EngineSettings
from api_gpu.models.pipeline import TensorInfo

__all__ = ["Engine", "EngineObserver", "EngineSettings", "Inference", "ModelMetadata", "ModelState", "TensorInfo"]
