"""What is logged during a training or a search, kept in a file of its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def logged(path: Path, *names: str) -> Iterator[None]:
    """Append what the loggers of these names say, from INFO on, to `path`, and to no other handler of theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in names]
    former = [(logger, logger.handlers, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, handlers, level in former:
            logger.handlers = handlers
            logger.setLevel(level)
        handler.close()
