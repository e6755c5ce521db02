"""What printed notebooks import."""

from collections.abc import Callable
from typing import Any, TypeVar

from cnnlab.app.notebook import open_lab

__all__ = ["build_network", "open_lab", "without_weights"]

T = TypeVar("T")


def build_network(name: str, **options: Any) -> Any:
    """See `cnnlab.layers.factory.build_network`: Keras is imported when a network is built, not before."""
    from cnnlab.layers.factory import build_network

    return build_network(name, **options)


def without_weights(work: Callable[[], T]) -> T:
    """See `cnnlab.architectures.construction.without_weights`."""
    from cnnlab.architectures.construction import without_weights

    return without_weights(work)
