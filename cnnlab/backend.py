"""The one place where TensorFlow and Keras are imported, so that their start-up noise stays off the screen.

Usage: `from cnnlab.backend import keras, tf`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: TensorFlow's C++ side logs there before any log level is honoured."""
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error: there is nothing to keep quiet
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _silent_stderr():
    import keras
    import tensorflow as tf
    from keras import layers, ops
    from tensorflow.python.framework.ops import gradient_registry

    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError):  # this process uses the GPU already: its memory is as its first user wanted
            tf.config.experimental.set_memory_growth(gpu, True)

__all__ = ["gradient_registry", "keras", "layers", "ops", "tf"]
