"""TOML files that a user writes, read into checked models: one message with the file, the key, what was received and
what is accepted, the same for a lab and for a rubric."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cnnlab.errors import CnnlabError

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class FileKind:
    """A kind of file: its `name` in messages ("lab"), and the `error` that its mistakes raise."""

    name: str
    error: type[CnnlabError]

    def parse(self, path: Path) -> dict[str, Any]:
        """The file's table.

        Raises CnnlabError: of this kind's class; the file cannot be read, or is not TOML.
        """
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as problem:  # no TOML, no UTF-8, numbers or nesting without an end
            what, hint = f"the {self.name} file is not valid TOML", "mend that line and run again"
            raise self.error(what, where=path, received=str(problem), hint=hint) from None
        except OSError as problem:
            raise self.error(f"the {self.name} file cannot be read", where=path, received=problem.strerror) from None

    def validate(self, model: type[Model], table: dict[str, Any], path: Path) -> Model:
        """`table`, read from `path`, as a checked `model`.

        Raises CnnlabError: of this kind's class; a key is unknown or absent, or a value is wrong.
        """
        try:
            return model.model_validate(table)
        except ValidationError as problem:
            raise self._error(problem, model, path) from None

    def require(self, name: str, known: Collection[str], where: str, what: str) -> None:
        """Refuse a `name` that is not among the `known` ones.

        Raises CnnlabError: of this kind's class, with the nearest known name.
        """
        if name not in known:
            raise self.error.unknown(f"the {self.name} names an unknown {what}", name, sorted(known), where=where)

    def _error(self, problem: ValidationError, model: type[BaseModel], path: Path) -> CnnlabError:
        """The first of pydantic's findings as one message, with the others counted.

        An unknown key comes before all others: what is lacking is often the key that it misspells.
        """
        errors = problem.errors(include_url=False)
        first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
        key = ".".join(str(part) for part in first["loc"] if part not in ("int", "float")) or "the whole file"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        if first["type"] == "extra_forbidden":
            for part in first["loc"][:-1]:  # through dicts, tuples and unions to the model that has no such key
                if isinstance(part, str) and part in model.model_fields:
                    model = _model_in(model.model_fields[part].annotation) or model
            what = f"the {self.name} file has an unknown key{more}"
            return self.error.unknown(what, first["loc"][-1], model.model_fields, where=f"{path}, {key}")
        what = "lacks a key" if first["type"] == "missing" else "has a wrong value"
        return self.error(
            f"the {self.name} file {what}{more}",
            where=f"{path}, {key}",
            received=None if first["type"] == "missing" else repr(first["input"]),
            expected=first["msg"].removeprefix("Value error, "),
        )


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
