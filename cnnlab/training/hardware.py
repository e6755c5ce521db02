"""What a run was computed on and with: the hardware, versions and git fields of its manifest."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from cnnlab.backend import tf

_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")


def bfloat16_units() -> tuple[str, ...]:
    """The processor's native bfloat16 instruction sets, fastest first; empty where bfloat16 would be emulated."""
    flags = {*_cpu_field("flags").split(), *_cpu_field("Features").split()}
    found = tuple(flag for flag in _BFLOAT16_FLAGS if flag in flags)
    if platform.system() == "Darwin" and _sysctl("hw.optional.arm.FEAT_BF16") == "1":
        found += ("arm_bf16",)
    return found


def tells_its_units() -> bool:
    """Whether the processor lists its instruction sets where `bfloat16_units` looks."""
    return bool(_cpu_field("flags") or _cpu_field("Features") or platform.system() == "Darwin")


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
    gpu = accelerator()
    return {
        "cpu": _cpu_name(),
        "cores": _cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": gpu[0] if gpu else None,
        "bfloat16": list(bfloat16_units()),
    }


def reset_peak_memory() -> None:
    """Let `peak_memory_gib` start anew from what the process holds now; Linux only."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        with suppress(PermissionError):  # some containers do not allow it: the peak is then of the whole process
            path.write_text("5", encoding="ascii")


def peak_memory_gib() -> float | None:
    """The most memory that the process held at a time since `reset_peak_memory`; None where the system does not tell."""
    return _memory_gib("VmHWM")


def memory_gib() -> float | None:
    """The memory that the process holds now; None where the system does not tell."""
    return _memory_gib("VmRSS")


def _memory_gib(key: str) -> float | None:
    path = Path("/proc/self/status")
    if not path.is_file():
        return None
    found = re.search(rf"^{key}:\s+(\d+) kB", path.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    return round(int(found.group(1)) / 2**20, 2) if found else None


def versions() -> dict[str, str | None]:
    """Versions of what the numbers depend on; None for a package that runs without being installed."""
    names: dict[str, tuple[str, ...]] = {name: (name,) for name in ("cnnlab", "keras", "numpy")}
    names["tensorflow"] = ("tensorflow", "tensorflow-cpu", "tensorflow-macos")
    return {"python": platform.python_version()} | {key: _version(*dists) for key, dists in names.items()}


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that the code runs from and whether it was modified; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _output("git", "-C", str(root), "rev-parse", "HEAD")
        dirty = bool(_output("git", "-C", str(root), "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):  # no git here, or not a repository it trusts
        return None
    return {"commit": commit, "dirty": dirty}


def _version(*distributions: str) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cpu_name() -> str:
    return _cpu_field("model name") or _sysctl("machdep.cpu.brand_string") or platform.machine()


def _cpu_field(name: str) -> str:
    """A field of the first processor in /proc/cpuinfo, "" where there is none (macOS)."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _sysctl(name: str) -> str:
    if platform.system() != "Darwin":
        return ""
    try:
        return _output("sysctl", "-n", name)
    except (OSError, subprocess.SubprocessError):  # this macOS does not know the name
        return ""


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
