"""A graph on a device."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

from api_gpu.engine.device import CUDA, SILENT, Device, open_session
from api_gpu.models.datatypes import datatype_of, to_bytes
from api_gpu.models.definition import UnusableModel
from api_gpu.models.pipeline import Array, TensorInfo, Tensors


class RunFailed(Exception):
    """The graph could not be run on these inputs. The message says why, in one line.

    Attributes:
        out_of_memory: whether fewer inputs might have gone through.
    """

    def __init__(self, error: Exception) -> None:
        lines = str(error).strip().rpartition("Status Message: ")[2].splitlines()
        super().__init__(lines[0] if lines else type(error).__name__)
        self.out_of_memory = "Failed to allocate memory" in str(error) or "out of memory" in str(error)


class Session:
    """One graph, loaded. `run` may be called from several threads."""

    def __init__(self, model: Path, device: Device, threads: int, *, cpu_nodes: bool) -> None:
        try:
            self._session = open_session(str(model), device, threads, cpu_nodes=cpu_nodes)
        except Exception as error:  # noqa: BLE001  the many kinds of failure have no base class of their own
            raise UnusableModel(f"ONNX Runtime cannot load it: {str(error).strip()}") from None
        self.on_cuda = CUDA in self._session.get_providers()
        self.inputs = [_info(node) for node in self._session.get_inputs()]
        self.outputs = [_info(node) for node in self._session.get_outputs()]
        self._binds = all(info.datatype != "BYTES" for info in (*self.inputs, *self.outputs))
        self._shrinking: ort.RunOptions | None = _shrinking("gpu:0" if self.on_cuda else "cpu:0")

    def run(self, feeds: Tensors, *, shrink: bool = False) -> dict[str, Array]:
        """The graph's outputs, by name.

        Args:
            shrink: give back the memory that the run took: nothing follows for now.

        Raises:
            RunFailed
        """
        try:
            arrays = self._run(feeds, self._shrinking if shrink else None)
        except Exception as error:  # noqa: BLE001
            if shrink and self._shrinking is not None and "memory arena shrink list" in str(error):
                self._shrinking = None  # this device has no arena: nothing was run yet, and nothing is lost
                return self.run(feeds)
            raise RunFailed(error) from None
        outputs = {info.name: array for info, array in zip(self.outputs, arrays, strict=True)}
        return {name: to_bytes(array) if array.dtype == object else array for name, array in outputs.items()}

    def _run(self, feeds: Tensors, options: ort.RunOptions | None) -> list[Array]:
        if self._binds:
            return self._run_bound(feeds, options)
        arrays: list[Array] = self._session.run(None, dict(feeds), options)
        return arrays

    def _run_bound(self, feeds: Tensors, options: ort.RunOptions | None) -> list[Array]:
        """Outputs stay on the device until all of them are there, and then come in one go."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for info in self.outputs:
            binding.bind_output(info.name, "cuda" if self.on_cuda else "cpu")
        self._session.run_with_iobinding(binding, options)
        outputs: list[Array] = binding.copy_outputs_to_cpu()
        return outputs


def _shrinking(arena: str) -> ort.RunOptions:
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", arena)
    options.log_severity_level = SILENT
    return options


def _info(node: ort.NodeArg) -> TensorInfo:
    datatype = datatype_of(node.type)
    if datatype is None:
        raise UnusableModel(f'"{node.name}" is of type {node.type}, which no protocol here can carry')
    return TensorInfo(node.name, datatype, tuple(size if isinstance(size, int) else -1 for size in node.shape or ()))
