"""Automated lab reports for convolutional networks."""

from importlib.metadata import version

__version__ = version("cnnlab")
