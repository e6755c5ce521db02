"""What is logged during a training or a search, kept in a file of its folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnnlab.store.files import unwritable


class _Handler(logging.FileHandler):
    """A file that, when it cannot be written, says so to whoever logs instead of printing a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        problem = sys.exc_info()[1]
        if isinstance(problem, OSError):
            raise unwritable(problem, Path(self.baseFilename)) from None
        super().handleError(record)


@contextmanager
def logged(path: Path, *names: str) -> Iterator[None]:
    """Append what the loggers of these names say, from INFO on, to `path`, and to no other handler of theirs.

    Raises:
        Unwritable: the file cannot be written, now or when something is logged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _Handler(path, encoding="utf-8")
    except OSError as problem:
        raise unwritable(problem, path) from None
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
        with suppress(OSError):  # what could not be written has been said when it was logged
            handler.close()
