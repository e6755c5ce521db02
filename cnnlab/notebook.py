"""What printed notebooks import."""

from typing import Any

from cnnlab.app.notebook import open_lab


def build_network(name: str, **options: Any) -> Any:
    """See `cnnlab.layers.factory.build_network`; a notebook that only shows cached runs needs no Keras."""
    from cnnlab.layers.factory import build_network

    return build_network(name, **options)


__all__ = ["build_network", "open_lab"]
