"""Which number format a network is trained in, and why.

bfloat16 pays only where the processor computes in it: with AMX or AVX512-BF16, VGG-19 trained 4.6 times as fast as in
float32, without them it is emulated and slower. The fused batch-norm kernel is the faster one in half precision and on
GPUs, and the slower one in float32 on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cnnlab.backend import keras, tf
from cnnlab.training import hardware

_WORTHWHILE = 1.2
"""How much faster matrix products must be in bfloat16 for a training to be so too."""


class Precision(NamedTuple):
    """A Keras dtype policy, the reason as `code` or `code:detail`, and how it is computed: whether batch norm uses the
    fused kernel, whether XLA compiles the training step.
    """

    policy: str
    reason: str
    batch_norm_fused: bool
    xla: bool = False


def resolve(precision: str) -> Precision:
    """The dtype policy for a recipe's `precision` on this machine.

    Reasons: `requested`, `gpu-compute:<capability>`, `gpu-unknown:<name>`, `cpu-native:<units>`, `cpu-emulated`; for a
    processor that does not list its units `measured:<ratio>` and `measured-slower:<ratio>`, of speeds in bfloat16 and
    float32.
    """
    gpu = hardware.accelerator()
    policy, reason = (precision, "requested") if precision != "auto" else _automatic(gpu)
    return Precision(policy, reason, batch_norm_fused=gpu is not None or policy != "float32")


def _automatic(gpu: tuple[str, float | None] | None) -> tuple[str, str]:
    if gpu is not None:
        name, capability = gpu
        if capability is None:
            return "float32", f"gpu-unknown:{name}"
        halves = "mixed_bfloat16" if capability >= 8 else "mixed_float16"
        return (halves if capability >= 7 else "float32"), f"gpu-compute:{capability}"
    units = hardware.bfloat16_units()
    if units:
        return "mixed_bfloat16", f"cpu-native:{','.join(units)}"
    return ("float32", "cpu-emulated") if hardware.tells_its_units() else _measured()


def _measured() -> tuple[str, str]:
    ratio = _product_seconds("float32") / _product_seconds("bfloat16")
    if ratio >= _WORTHWHILE:
        return "mixed_bfloat16", f"measured:{ratio:.1f}"
    return "float32", f"measured-slower:{ratio:.1f}"


def _product_seconds(dtype: str) -> float:
    """The shortest of three products of 1,024 x 1,024 matrices, after one that is not counted."""
    matrix = tf.ones((1024, 1024), dtype)
    times = []
    for _ in range(4):
        started = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        times.append(time.perf_counter() - started)
    return min(times[1:])


@contextmanager
def dtype_policy(policy: str) -> Iterator[None]:
    """Build layers under `policy` and put the former global policy back afterwards."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(former)
