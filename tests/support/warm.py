"""What every tiny app of a test run would otherwise compute again: compiled templates, and functions that build URLs.

Each test builds its own app. Its templates and its routes are those of the app before, so their compilation is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

from jinja2 import Environment
from werkzeug.routing import Rule

_SYNTAX = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks",
    "newline_sequence", "keep_trailing_newline", "optimized", "autoescape", "finalize", "is_async", "sandboxed",
    "newstyle_gettext",
)  # fmt: skip


def share_compiled_templates() -> None:
    """Compile equal sources once per process, if the environments have the same syntax, extensions and filters."""
    compiled: dict[tuple[Any, ...], CodeType] = {}
    compile_alone = Environment.compile

    def compile(self: Environment, source: Any, name: Any = None, filename: Any = None, *rest: Any, **options: Any) -> Any:
        if not isinstance(source, str) or rest or options:
            return compile_alone(self, source, name, filename, *rest, **options)
        syntax = tuple(getattr(self, setting, None) for setting in _SYNTAX)
        # A constant expression is evaluated during compilation, so its filters have to be the same.
        key = (type(self), source, name, filename, syntax, *self.extensions, *self.filters.items(), *self.tests.items())
        code = compiled.get(key)
        if code is None:
            code = compiled[key] = compile_alone(self, source, name, filename)
        return code

    Environment.compile = compile  # type: ignore[method-assign, assignment]


def build_urls_lazily() -> None:
    """Generate a route's functions at its first URL; Werkzeug generates two for every route of every app."""
    generate = Rule._compile_builder

    def lazily(self: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        made: list[Callable[..., Any]] = []

        def build(rule: Rule, *arguments: Any, **values: Any) -> Any:
            if not made:
                made.append(generate(rule, append_unknown))
            return made[0](rule, *arguments, **values)

        return build

    Rule._compile_builder = lazily  # type: ignore[method-assign]
