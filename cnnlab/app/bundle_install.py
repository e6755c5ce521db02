"""Installs cnnlab from the wheel beside this file, and of the libraries that it needs those that are missing.

What is there already stays as it is, in whatever version: Colab's own kernel depends on it. A bundle holds this file as
`install.py`; it runs where cnnlab is not installed yet, and hence needs nothing of it.
"""

import re
import subprocess
import sys
from importlib import invalidate_caches, metadata
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def install(folder: Path) -> None:
    """Install the wheel in `folder` into the environment of this interpreter."""
    wheels = sorted(folder.glob("cnnlab-*.whl"))
    if not wheels:
        raise SystemExit("there is no cnnlab-….whl here: unpack the bundle into this folder first")
    subprocess.run([*PIP, "--no-deps", str(wheels[-1])], check=True)
    invalidate_caches()
    wanted = [line for line in metadata.requires("cnnlab") or [] if "extra ==" not in line]
    missing = [line for line in wanted if not _installed(line)]
    if missing:
        print(f"installing {len(missing)} libraries, which can take some minutes")
        subprocess.run([*PIP, *missing], check=True)
        invalidate_caches()


def _installed(requirement: str) -> bool:
    try:
        metadata.version(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
    except metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    install(Path(__file__).resolve().parent)
