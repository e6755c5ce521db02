"""Automated lab reports for convolutional networks."""

__version__ = "0.1.0"
"""Also that of the wheel; written out, since looking it up takes a tenth of a command's start."""
