"""Click before 8.2, made like later ones for tests: ``stdout`` has no errors, and ``output`` has both."""

from __future__ import annotations

from inspect import signature

from click.testing import CliRunner, Result


def separate_errors() -> None:
    """Let every runner keep errors apart from standard output, as later versions always do."""
    if "mix_stderr" in signature(CliRunner).parameters:
        init = CliRunner.__init__
        init.__defaults__ = (*(init.__defaults__ or ())[:-1], False)
        Result.output = property(lambda self: self.stdout + self.stderr)  # type: ignore[method-assign]
