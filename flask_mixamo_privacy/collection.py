"""Collection points: only what is declared passes, and what is given is on record before it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar

from flask import current_app, request

from . import notices
from .current import exchange
from .disclosure import Fields, disclose, read
from .errors import UndeclaredCollection
from .given import Given
from .policy import CollectionPoint
from .refusing import NotRecorded
from .sifting import empty
from .taking import Taking

F = TypeVar("F", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Collects:
    """One point in use, as a decorator of a view or around a few lines; see :meth:`Collecting.collects`."""

    def __init__(self, point: str, subject: str, controls: Collection[str]) -> None:
        self._point = point
        self._subject = subject
        self._controls = frozenset(controls)
        self._taking: Taking | None = None  # of a with statement, which has an object of its own

    def __call__(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            taking = self._take()
            response = current_app.make_response(current_app.ensure_sync(view)(*args, **values))
            if taking is not None and response.status_code < 400:
                taking.settle()
            return response

        guarded.privacy_collects = (*getattr(view, "privacy_collects", ()), self._point)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    def __enter__(self) -> Given:
        self._taking = self._take()
        return self._taking.given if self._taking is not None else Given()

    def __exit__(self, raised: object, *about: object) -> None:
        if self._taking is not None and raised is None:
            self._taking.settle()

    def _take(self) -> Taking | None:
        """The form that was sent, on record; None where a page is only looked at."""
        point = declared_point(self._point)
        if request.method in _SAFE:
            return None
        if point is None:
            empty(request)
            raise NotRecorded
        taking = open_form(point, self._subject, self._controls)
        taking.check()
        taking.record()
        return taking


def declared_point(point_id: str) -> CollectionPoint | None:
    """The point of this id. One that is not declared raises in tests and in debug mode; in production it is logged, and
    nothing is collected there."""
    here = exchange()
    try:
        return notices.point_of(here.site.policy, point_id)
    except UndeclaredCollection as error:
        here.site.failed(error)
        return None


def open_form(point: CollectionPoint, subject: str, controls: Collection[str]) -> Taking:
    """What the request at hand sends to a point, sifted."""
    token = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    return Taking(exchange(), point, subject, {*controls, token})


class Collecting:
    """The part of :class:`Privacy` by which personal data comes in, is read and goes out."""

    def collects(self, point: str, *, subject: str = "email", controls: Collection[str] = ()) -> Collects:
        """Collect at a declared point: ``@privacy.collects("registration")`` on a view, or
        ``with privacy.collects("registration") as given:`` around the lines that keep what was given.

        Only declared fields pass: from there on ``request.form``, ``request.files`` and ``request.get_json()`` hold
        nothing else, besides ``controls`` of the page that say nothing about anybody, such as ``("next",)``. A required
        field that is empty is answered 400, by :class:`NotCollected`. The ledger keeps when, under which version of the
        policy, after which words, which fields, no values, and whom it is about as a keyed hash: of the field named
        ``subject``, else of whoever is logged in. If that cannot be written, nothing is taken: 503. Opt-ins take effect
        once the view answered below 400, or the block ended.

        A point that is not declared raises :class:`UndeclaredCollection` in tests and in debug mode. In production it is
        logged; its page is served, and what is sent there is answered 503 and never reaches the view.
        """
        return Collects(point, subject, controls)

    @property
    def given(self) -> Given:
        """What was given at the point of the request at hand, for a view under ``@privacy.collects``."""
        return exchange().given or Given()

    def read(self, record: Any, purpose: str, *, point: str | None = None) -> Fields:
        """Of a record the fields that were collected for a purpose, at any point or at one.

        ``record`` is a mapping or an object with attributes. Raises :class:`OtherPurpose` where nothing is collected for
        it, and :class:`UndeclaredField` when a field is asked of the result that was collected for something else.
        """
        return read(record, purpose, point)

    def disclose(
        self,
        recipient: str,
        record: Any,
        purpose: str = "",
        *,
        fields: Collection[str] | None = None,
        basis: str | None = None,
        reference: str = "",
        actor: str = "",
        subject: str | None = None,
    ) -> Fields:
        """The one way out for personal data: of a record, a mapping or an object, the fields that a recipient may get.

        These are the ones declared for the recipient, or the given ``fields`` of them. The ledger keeps who got which
        fields, on which basis, and whose they were, as a keyed hash of ``subject`` or of the record's ``email``; no values.
        The basis is that of the purpose, or ``"legal"`` or ``"safety"``, which need a ``reference`` (a file number) and an
        ``actor`` (who decided), or ``"transfer"``, to a new owner, which a posted version of the policy has to speak of.
        On these three somebody undeclared may get declared ``fields`` that are named.

        Raises, in production too: :class:`UndeclaredRecipient`, :class:`UndeclaredField`, :class:`OtherPurpose`,
        :class:`DisclosureError`; and :class:`OSError` when it cannot be noted, for then nothing goes out.
        """
        return disclose(recipient, record, purpose, fields, basis, reference=reference, actor=actor, subject=subject)
