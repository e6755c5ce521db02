"""The code by which a record says that VGG-19 was built: the notebook runs it, so it must build a network and do no more."""

from __future__ import annotations

import ast

MODEL = "modelVGG19"
_MODULES = frozenset({"keras", "keras.layers", "keras.models"})
_IMPORTED = frozenset({"Conv2D", "Dense", "Flatten", "Input", "MaxPooling2D", "Sequential"})
_ATTRIBUTES = frozenset({"add", "output_shape", "summary"})
_NODES = (
    ast.Module, ast.Expr, ast.Assign, ast.alias, ast.Call, ast.keyword, ast.Constant, ast.Tuple, ast.Load, ast.Store,
)  # fmt: skip


def foreign_part(code: str) -> str:
    """What of the code is no building of a network; empty where it does nothing but import Keras's layers, add them to
    `modelVGG19`, and print what came of it."""
    try:
        found = next((node for node in ast.walk(ast.parse(code)) if not _is_harmless(node)), None)
        return ast.unparse(found) if found else ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code


def _is_harmless(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(module=module, names=names, level=0):
            return module in _MODULES and all(one.name in _IMPORTED and one.asname is None for one in names)
        case ast.Name(id=name, ctx=ast.Store()):
            return name == MODEL
        case ast.Name(id=name):
            return name in _IMPORTED | {MODEL, "print"}
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute, ctx=ast.Load()):
            return owner == MODEL and attribute in _ATTRIBUTES
    return isinstance(node, _NODES)
