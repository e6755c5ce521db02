"""What a run is computed on and with: hardware, number format, memory held, versions, state of the code."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import timeit
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from cnnlab import __version__
from cnnlab.backend import keras, tf

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

    bfloat16 pays only where the processor computes in it: with AMX or AVX512-BF16, VGG-19 trained 4.6 times as fast as
    in float32, without them it is emulated and slower. The fused batch-norm kernel is the faster one in half precision
    and on GPUs, and the slower one in float32 on a CPU.

    Reasons: `requested`, `gpu-compute:<capability>`, `gpu-unknown:<name>`, `cpu-native:<units>`, `cpu-emulated`; for a
    processor that does not list its units `measured:<ratio>` and `measured-slower:<ratio>`, of speeds in bfloat16 and
    float32.
    """
    gpu, units = accelerator(), bfloat16_units()
    if precision != "auto":
        policy, reason = precision, "requested"
    elif gpu is not None:
        name, capability = gpu
        reason = f"gpu-unknown:{name}" if capability is None else f"gpu-compute:{capability}"
        halves = "mixed_bfloat16" if (capability or 0) >= 8 else "mixed_float16"
        policy = halves if (capability or 0) >= 7 else "float32"
    elif units is None:
        ratio = product_seconds("float32") / product_seconds("bfloat16")
        policy, reason = "float32", f"measured-slower:{ratio:.1f}"
        if ratio >= _WORTHWHILE:
            policy, reason = "mixed_bfloat16", f"measured:{ratio:.1f}"
    else:
        policy, reason = ("mixed_bfloat16", f"cpu-native:{','.join(units)}") if units else ("float32", "cpu-emulated")
    return Precision(policy, reason, batch_norm_fused=gpu is not None or policy != "float32")


def product_seconds(dtype: str) -> float:
    """The shortest of three products of 1,024 x 1,024 matrices, after one that is not counted."""
    matrix = tf.ones((1024, 1024), dtype)
    return min(timeit.repeat(lambda: tf.matmul(matrix, matrix).numpy(), number=1, repeat=4)[1:])


def bfloat16_units() -> tuple[str, ...] | None:
    """The processor's native bfloat16 instruction sets, fastest first; empty where bfloat16 would be emulated, None where
    the processor does not list its instruction sets."""
    if platform.system() == "Darwin":
        return ("arm_bf16",) * (_sysctl("hw.optional.arm.FEAT_BF16") == "1")
    flags = f"{_cpu_field('flags')} {_cpu_field('Features')}".split()
    return tuple(flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in flags) if flags else None


def accelerator() -> tuple[str, float | None] | None:
    """Name and compute capability of the first GPU (capability None where the vendor states none), or None."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return None
    details = tf.config.experimental.get_device_details(devices[0])
    capability = details.get("compute_capability")
    return details.get("device_name", "GPU"), float(f"{capability[0]}.{capability[1]}") if capability else None


def hardware() -> dict[str, Any]:
    """Processor, usable cores, memory in GiB, accelerator and native bfloat16 units."""
    gpu, affinity = accelerator(), getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _cpu_field("model name") or _sysctl("machdep.cpu.brand_string") or platform.machine(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "accelerator": gpu[0] if gpu else None,
        "bfloat16": list(bfloat16_units() or ()),
    }


def reset_peak_memory() -> None:
    """Let `peak_memory_gib` start anew from what the process holds now; Linux only."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        with suppress(PermissionError):  # some containers do not allow it: the peak is then of the whole process
            path.write_text("5", encoding="ascii")


def peak_memory_gib() -> float | None:
    """The most memory that the process held at a time since `reset_peak_memory`; None where the system does not tell."""
    path = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.is_file() else None
    return round(int(found[1]) / 2**20, 2) if found else None


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version(), "cnnlab": __version__}
    return found | {"keras": keras.__version__, "numpy": np.__version__, "tensorflow": tf.__version__}


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from and whether it was modified; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _output("git", "-C", str(root), "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_output("git", "-C", str(root), "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):  # no git here, or not a repository it trusts
        return None


def _cpu_field(name: str) -> str:
    """A field of the first processor in /proc/cpuinfo, "" where there is none (macOS)."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.search(rf"^{name}[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _sysctl(name: str) -> str:
    """A setting of macOS, "" elsewhere and where it does not know the name."""
    try:
        return _output("sysctl", "-n", name) if platform.system() == "Darwin" else ""
    except (OSError, subprocess.SubprocessError):
        return ""


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
