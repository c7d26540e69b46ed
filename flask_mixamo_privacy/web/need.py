"""Access to personal data: the need that a view or a block of code declares."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app

from .access import admit, ask_to_log_in, rule_at_hand
from .site import site

F = TypeVar("F", bound=Callable[..., Any])


class Need:
    """Why personal data is read; see :meth:`Privacy.need`."""

    def __init__(self, need: str, whose: str | Callable[..., str | None] | None, fields: Collection[str]) -> None:
        self._need = need
        self._whose = whose
        self._fields = fields

    def __call__(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            stranger = ask_to_log_in(site())
            if stranger is not None:
                return stranger
            self._admit(*args, **values)
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    def __enter__(self) -> Need:
        if ask_to_log_in(site()) is not None:
            abort(401)
        self._admit()
        return self

    def __exit__(self, *raised: object) -> None:
        return None

    def _admit(self, *args: Any, **values: Any) -> None:
        """Whose it is is looked up only for somebody who may know."""

        def hashed() -> tuple[str, str]:
            whose = self._whose(*args, **values) if callable(self._whose) else self._whose
            return site().ledger.pseudonym(whose) if whose else ("", "")

        admit(self._need, rule_at_hand, whose=hashed, fields=self._fields)
