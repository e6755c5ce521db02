"""How long a report of many classes takes, and how much memory: `python -m benchmarks.scale [CLASSES] [FOLDER]`.

Fabricates two networks' runs on a data set of that many classes (1,000 unless told) with five test images each, and
renders HTML and PDF from them as `cnnlab report` does. Prints seconds, peak memory and the sizes of the files.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from cnnlab.lab import load_lab
from report.build import build_report
from tests.fabricate import write_store


def main(classes: int = 1000, folder: str | None = None) -> None:
    """Fabricate, render and print."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(folder or temporary)
        names = [f"class {index:04d}, a name as long as most" for index in range(classes)]
        store = write_store(
            root / "runs", classes={"clothes": ["shirt", "coat", "bag"], "digits": names}, per_class=20,
            networks={"clothes": ["alexnet"], "digits": ["alexnet", "resnet50"]},
        )  # fmt: skip
        lab = load_lab("demo")
        for what in (["html", "pdf"], ["html", "pdf"]):  # drawing all figures, then with them kept
            start = time.perf_counter()
            build_report(store, lab, root / "out", what)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{' and '.join(what)}: {time.perf_counter() - start:.1f} s, peak {peak:.0f} MiB")
        for path in sorted((root / "out").glob("[!.]*.*")):
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2] if len(sys.argv) > 2 else None)
