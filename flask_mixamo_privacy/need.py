"""What a site says in code about personal data: where it lies, and why somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app

from .access import admit, ask_to_log_in, rule_at_hand
from .rights.models import Models
from .rights.stores import PersonalStore, Register
from .site import site

F = TypeVar("F", bound=Callable[..., Any])


class Need:
    """Why personal data is read; see :meth:`Registration.need`."""

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
            return site().rights.people.hash(whose) if whose else ("", "")

        admit(self._need, rule_at_hand, whose=hashed, fields=self._fields)


class Registration:
    """The part of :class:`Privacy` that knows where the site's own personal data lies, and who may read it."""

    _stores: Register

    def register_store(
        self,
        name: str,
        *,
        subject: Callable[[], Iterable[str]] | None = None,
        export: Callable[[str], Any] | None = None,
        erase: Callable[..., Any] | None = None,
        correct: Callable[[str, Mapping[str, str]], Any] | None = None,
    ) -> None:
        """Tell where personal data lies: a database, a mailing list's service, a folder of files.

        A subject is an e-mail address in lower case, or an id of the site's own. All callables may be left out; answers
        then say that this store is not covered.

        - ``subject()`` gives every subject that the store holds. After a restore they are matched against the ledger, which
          knows people by keyed hashes alone.
        - ``export(subject)`` gives what is stored, as JSON can say it; something false where there is nothing.
        - ``erase(subject, before=None)`` forgets the subject, or only what was written before a moment (an aware
          ``datetime``), and gives the number of rows; doing it twice must do no harm. Without a parameter ``before`` the
          store is left to a person after a restore, for whoever came back since would be erased as well.
        - ``correct(subject, {field: value})`` sets fields anew and gives the number of rows.

        Call it before or after ``init_app``. Raises :class:`StoreError` for what cannot work.
        """
        store = PersonalStore(name, subject, export, erase, correct)
        self._stores.append(lambda policy: store)

    def register_models(
        self,
        session: Any,
        subjects: Mapping[Any, str],
        *,
        name: str = "database",
        made: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Register SQLAlchemy models as a store: plain declarative ones, Flask-SQLAlchemy's, Flask-SQLAlchemy-Lite's.

        ``privacy.register_models(db.session, {Account: "email", Order: "account_id.email"})`` names the column with the
        person of each model, or one behind a foreign key. ``session`` is an engine, or what gives a session when called: a
        sessionmaker, ``db.session`` of Flask-SQLAlchemy, ``lambda: db.session`` of Flask-SQLAlchemy-Lite. What becomes of
        each column is what ``on_erase`` of the declared field of that name says; ``fields={"mail": "email"}`` or
        ``info={"privacy": "email"}`` names another field. ``made`` is the column with the time of a row, which tells
        what came after an erasure; it is found where it is called ``created_at`` or the like.

        Raises :class:`StoreError` for a column that is not there.
        """
        models = Models(name, session, dict(subjects), made, fields)
        self._stores.append(models.bind)

    def need(self, need: str, *, whose: str | Callable[..., str | None] | None = None, fields: Collection[str] = ()) -> Need:
        """Say why personal data is read, around the reading: ``@privacy.need("support")`` or ``with privacy.need(…):``.

        ``PRIVACY_STAFF(user, need)`` decides; without it nobody may read. The ledger keeps who looked, why, at which page,
        at which fields, and whose data it was, as a keyed hash; ``whose`` is a subject, or a callable that gets what the
        view gets, and is called for nobody who is denied. A denial is kept as well, of an address a keyed hash;
        people who are not logged in are only counted.
        """
        return Need(need, whose, fields)
