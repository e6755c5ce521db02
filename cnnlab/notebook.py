"""What printed notebooks import: `open_lab`."""

from cnnlab.app.notebook import open_lab

__all__ = ["open_lab"]
