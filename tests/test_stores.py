"""Personal data of the site's own: exported, erased as declared, corrected; in any store, and in three kinds of models."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from people import FIELDS, Account, Basket, Letter, Order, policy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from conftest import in_a_thread
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.errors import StoreError
from flask_mixamo_privacy.period import Period
from flask_mixamo_privacy.policy import Field

ADA = "ada@shop.example"

pytestmark = pytest.mark.usefixtures("clock")


def test_promise_32_an_export_has_all_that_is_stored_but_no_password(people):
    """By table, with every column; also what hangs on an account by its key alone."""
    site = people()
    site.add()
    site.add("bob@shop.example")
    outcome = site.site.cli("export", "ADA@shop.example ")
    found = json.loads(outcome.output)["stores"]["shop"]
    assert set(found) == {"accounts", "orders", "letters", "baskets"} and [row["clip"] for row in found["baskets"]] == [
        "walk"
    ]
    assert found["accounts"] == [{"id": 1, "email": ADA, "name": "Ada", "created_at": "2026-05-08T12:00:00"}]
    assert "bob" not in outcome.output and "scrypt" not in outcome.output


def test_promise_32_an_erasure_does_what_each_field_says(people):
    """Deleted, made anonymous, or kept with its reason and its end; nobody else is touched."""
    site = people()
    site.add()
    site.add("bob@shop.example")
    outcome = site.site.cli("erase", "--subject", ADA, "--json")
    store = json.loads(outcome.output)["stores"][0]
    assert (store["deleted"], store["anonymised"], outcome.exit_code) == (2, 2, 0)
    assert store["kept"] == [{"what": "orders.address", "why": "The tax office asks for invoices.", "until": "2036-05-08"}]
    assert site.mentions("ada") == [] and site.mentions("bob") == ["accounts", "letters", "orders"]
    order, letter = site.rows(Order)[0], site.rows(Letter)[0]
    assert (order.address, order.price, order.name) == ("1 Lane", 12, "") and order.email.startswith("erased-")
    assert (letter.message, len(site.rows(Account)), len(site.rows(Basket))) == (None, 1, 1)


def test_an_erasure_done_twice_changes_nothing_more(people):
    """So that one which a crash cut short may simply be done again."""
    site = people()
    site.add()
    assert site.site.cli("erase", "--subject", ADA).exit_code == 0
    before = [str(row.__dict__.items()) for row in site.rows(Order)]
    assert site.site.cli("erase", "--subject", ADA).output.startswith("shop: nothing to do")
    assert [str(row.__dict__.items()) for row in site.rows(Order)] and before


def test_a_row_that_is_kept_lets_go_of_one_that_is_deleted(people):
    """A database that minds its foreign keys takes the erasure, and the invoice points to no account."""
    site = people()
    sa.event.listen(site.engine, "connect", lambda made, _: made.execute("PRAGMA foreign_keys=ON"))
    site.add()
    site.add("bob@shop.example")
    assert site.site.cli("erase", "--subject", ADA).exit_code == 0
    assert [account.email for account in site.rows(Account)] == ["bob@shop.example"]
    assert [order.account_id for order in site.rows(Order)] == [None, 2]


def test_no_byte_of_an_erased_person_is_left_in_the_sites_sqlite(people, tmp_path):
    """Neither in a free page nor in a log beside it."""
    site = people()
    with site.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    site.add("xylophone@shop.example")
    site.site.cli("erase", "--subject", "xylophone@shop.example")
    assert [path.name for path in tmp_path.glob("shop.sqlite*") if b"xylophone" in path.read_bytes()] == []


def test_what_was_kept_goes_when_its_time_is_over(people, clock):
    """`flask privacy prune` deletes the invoice ten years after the order."""
    site = people()
    site.add()
    site.site.cli("erase", "--subject", ADA)
    site.site.cli("prune")
    assert len(site.rows(Order)) == 1
    clock.shift(3653 * 86400)
    site.add("bob@shop.example")
    site.site.cli("prune")
    assert [order.email for order in site.rows(Order)] == ["bob@shop.example"]


def test_what_is_too_old_to_be_kept_goes_at_once(people, clock):
    """An invoice from eleven years ago is not kept for ten."""
    site = people()
    site.add()
    clock.shift(11 * 366 * 86400)
    site.site.cli("erase", "--subject", ADA)
    assert site.rows(Order) == []


def test_an_erasure_leaves_an_entry_under_the_keyed_hash(people):
    """And an export too; neither names anybody."""
    site = people()
    site.add()
    site.site.cli("export", ADA)
    site.site.cli("erase", "--subject", ADA)
    key, hashed = site.rights.people.hash(ADA)
    rows = site.site.ledger("access", "erasure")
    assert [(row["kind"], row["subject"], row["subject_key"]) for row in rows] == [
        ("access", hashed, key),
        ("erasure", hashed, key),
    ]
    assert "ada@" not in str(rows)  # those three letters alone may stand in a hash


def test_nothing_is_erased_without_an_entry(people, tmp_path):
    """For a restore would bring back what nobody knows was erased."""
    (tmp_path / "file").touch()
    away = {"PRIVACY_LEDGER_URL": f"sqlite:///{tmp_path}/file/l.sqlite", "PRIVACY_LOG_DIR": f"{tmp_path}/file/log"}
    site = people(**away, PRIVACY_KEYS={"one": "sixteen characters"})
    site.add()
    assert site.site.cli("erase", "--subject", ADA).exit_code == 2
    assert len(site.mentions("ada")) == 3


@pytest.mark.parametrize("arguments", [[], ["abc", "--subject", ADA]], ids=["nobody", "two"])
def test_erase_wants_one_visitor_or_one_person(people, arguments):
    """Exit 2, and what to say."""
    outcome = people().site.cli("erase", *arguments)
    assert outcome.exit_code == 2 and "Name one visitor, or one person with --subject." in outcome.output


def test_any_store_can_be_registered(tiny):
    """A list of addresses at a mail service, as callables; what it cannot do is said."""
    listed = {ADA: {"since": "May"}}
    site = tiny()
    site.privacy.register_store(
        "mailing list",
        subject=lambda: list(listed),
        export=listed.get,
        erase=lambda subject, before=None: listed.pop(subject, None),
    )
    site.privacy.register_store("paper files")
    found = json.loads(site.cli("export", ADA).output)
    assert (found["stores"], found["not_covered"]) == ({"mailing list": {"since": "May"}}, ["paper files"])
    outcome = site.cli("erase", "--subject", ADA)
    assert (listed, outcome.exit_code) == ({}, 1) and "paper files: not covered; see to it by hand." in outcome.output


def test_a_host_in_ascii_and_in_unicode_is_one_person(people):
    """Whichever of the two a table or a store of the site's own has, and whichever somebody types in."""
    site = people()
    site.add("ada@bücher.example")
    site.add("ada@strasse.example")
    held = {"ada@bücher.example": ["a song"]}
    site.site.privacy.register_store("songs", export=held.get, erase=lambda subject: len(held.pop(subject, ())))
    outcome = site.site.cli("export", "ADA@xn--bcher-kva.example")
    stores = json.loads(outcome.output)["stores"]
    assert stores["songs"] == ["a song"] and [row["email"] for row in stores["shop"]["accounts"]] == ["ada@bücher.example"]
    assert site.site.cli("erase", "--subject", "ada@xn--bcher-kva.example").exit_code == 0 and not held
    assert [account.email for account in site.rows(Account)] == ["ada@strasse.example"]
    assert site.site.cli("erase", "--subject", "ada@straße.example").output.startswith("shop: nothing to do")


def test_a_store_that_fails_stops_no_other(people):
    """It is named, with its error, and the command says so."""
    site = people()
    site.site.privacy.register_store("broken", export=lambda subject: None, erase=lambda subject: 1 / 0)
    site.add()
    outcome = site.site.cli("erase", "--subject", ADA)
    assert outcome.exit_code == 1 and "broken: ZeroDivisionError: division by zero" in outcome.output
    assert site.mentions("ada") == []


def test_a_correction_reaches_every_table(people):
    """By the field's name; what has no such field stays."""
    site = people()
    site.add()
    found = site.rights.people.correct(ADA, {"name": "Augusta"}, "staff")
    assert [outcome.done.corrected for outcome in found] == [2]
    assert site.mentions("augusta") == ["accounts", "orders"]
    assert json.loads(site.site.ledger("correction")[0]["detail"]) == {"by": "staff", "fields": ["name"]}


@pytest.mark.parametrize(
    ("subjects", "says"),
    [
        (
            {Account: "mail"},
            "the subject of Account is 'mail'; allowed: created_at, email, id, name, password_hash. Or name",
        ),
        (
            {Basket: "account_id.mail"},
            "the subject of Basket is 'account_id.mail'; allowed: account_id, clip, created_at, id. Or name",
        ),
    ],
)
def test_a_wrong_column_is_told_where_it_is_written(tiny, subjects, says):
    """With those there are."""
    with pytest.raises(StoreError, match=says):
        tiny().privacy.register_models(None, subjects)


def test_a_store_of_no_callables_is_told(tiny):
    """At once, and not when somebody asks for deletion."""
    with pytest.raises(StoreError, match=r"erase is 'DELETE FROM list'; allowed: a callable, or None. See Privacy"):
        tiny().privacy.register_store("list", erase="DELETE FROM list")


def of_engine(app, base):
    return sa.create_engine(app.config["SQLALCHEMY_DATABASE_URI"])


def of_sessionmaker(app, base):
    return sessionmaker(sa.create_engine(app.config["SQLALCHEMY_DATABASE_URI"]))


def of_scoped_session(app, base):
    return scoped_session(of_sessionmaker(app, base))


@pytest.mark.parametrize("session_of", [of_engine, of_sessionmaker, of_scoped_session])
def test_plain_models_are_covered(tmp_path, tiny, session_of):
    """Whatever gives a session: an engine, a sessionmaker, a scoped session."""

    class Own(DeclarativeBase):
        pass

    class Person(Own):
        __tablename__ = "persons"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str] = mapped_column(info={"privacy": "email"})

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/own.sqlite")
    session = session_of(site.app, Own)
    site.privacy.register_models(session, {Person: "mail"})
    hold_and_erase(site, Own.metadata, Person)


def test_models_of_flask_sqlalchemy_are_covered(tmp_path, tiny):
    """Its session needs the app's context, which commands and pages have."""
    from flask_sqlalchemy import SQLAlchemy

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/own.sqlite")
    db = SQLAlchemy(site.app)

    class Person(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        mail = db.Column(db.String, info={"privacy": "email"})

    site.privacy.register_models(db.session, {Person: "mail"})
    with site.app.app_context():
        hold_and_erase(site, db.metadata, Person, db.engine)


def test_models_of_flask_sqlalchemy_lite_are_covered(tmp_path, tiny):
    """Its session is asked for when it is needed."""
    from flask_sqlalchemy_lite import SQLAlchemy

    class Own(DeclarativeBase):
        pass

    class Person(Own):
        __tablename__ = "persons"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str] = mapped_column(info={"privacy": "email"})

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_ENGINES={"default": f"sqlite:///{tmp_path}/own.sqlite"})
    db = SQLAlchemy(site.app)
    site.privacy.register_models(lambda: db.session, {Person: "mail"})

    def in_context():
        with site.app.app_context():
            hold_and_erase(site, Own.metadata, Person, db.engine)

    in_a_thread(in_context)  # it closes its sessions by asyncio


def hold_and_erase(site, metadata, model, engine=None):
    """A person is stored, found, erased, and gone."""
    engine = engine or sa.create_engine(site.app.config["SQLALCHEMY_DATABASE_URI"], poolclass=sa.NullPool)
    metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([model(mail="Ada@shop.example"), model(mail="bob@shop.example")])
        session.commit()
    assert json.loads(site.cli("export", ADA).output)["stores"]["database"]
    assert site.cli("erase", "--subject", ADA).exit_code == 0
    with Session(engine) as session:
        assert list(session.scalars(sa.select(model.mail))) == ["bob@shop.example"]
    engine.dispose()


def told(site):
    return {finding["key"]: finding["level"] for finding in json.loads(site.cli("check", "--json").output)}


def test_promise_4_a_column_that_looks_personal_and_is_not_declared_is_listed(tmp_path, tiny):
    """With its model; exit 1. What is said to be none of it is not."""

    class Own(DeclarativeBase):
        pass

    class Guest(Own):
        __tablename__ = "guests"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]
        mobilePhone: Mapped[str]
        birth_date: Mapped[str]
        file_name: Mapped[str]
        street: Mapped[str] = mapped_column(info={"privacy": "address"})
        name: Mapped[str] = mapped_column(info={"privacy": False})
        created_at: Mapped[datetime]

    site = tiny(PRIVACY_POLICY=policy())
    site.privacy.register_models(sa.create_engine("sqlite://"), {Guest: "email"})
    outcome = site.cli("check")
    assert outcome.exit_code == 1
    assert {key for key in told(site) if key.startswith("models")} == {"models.Guest.mobilePhone", "models.Guest.birth_date"}
    says = "The model Guest has the column 'birth_date', which looks personal, and no field declares it."
    assert f'error: {says} Add [[fields]] with name = "birth_date"' in outcome.output


def test_promise_4_a_model_that_nobody_registered_is_listed(tmp_path, tiny):
    """One of Flask-SQLAlchemy's, and one in the app's own package."""
    from flask_sqlalchemy import SQLAlchemy

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/own.sqlite")
    site.app.import_name = "guesthouse"
    db = SQLAlchemy(site.app)

    class Person(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        email = db.Column(db.String)
        phone = db.Column(db.String)

    class Own(DeclarativeBase):
        pass

    guest = type(
        "Guest",
        (Own,),
        {
            "__module__": "guesthouse.models",
            "__tablename__": "g",
            "id": sa.Column(sa.Integer, primary_key=True),
            "iban": sa.Column(sa.Text),
        },
    )
    assert guest and {key for key in told(site) if key.startswith("models")} == {
        "models.Person",
        "models.Person.phone",
        "models.Guest.iban",
    }


def test_a_store_that_cannot_do_all_is_told(tiny):
    """Before somebody asks."""
    site = tiny()
    site.privacy.register_store("list", erase=lambda subject: 0)
    levels = {key: level for key, level in told(site).items() if key.startswith("stores")}
    assert levels == dict.fromkeys([f"stores.list.{what}" for what in ("subject", "export", "erase", "correct")], "warning")


def test_a_policy_says_what_a_deletion_leaves(people):
    """Which field, for how long, and why; on the page itself."""
    text = people().site.visitor().get("/privacy/").text
    assert "This is only made anonymous: message." in text
    for words in (
        "When you ask for deletion, this stays for a while, and why:",
        "10 years",
        "The tax office asks for invoices.",
    ):
        assert words in text


def test_dates_and_numbers_tell_ages_too(tmp_path, tiny):
    """A day without a time counts whole; a number is seconds since 1970."""

    class Own(DeclarativeBase):
        pass

    class Dated(Own):
        __tablename__ = "dated"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]
        created_on = mapped_column(sa.Date)

    class Numbered(Own):
        __tablename__ = "numbered"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]
        created = mapped_column(sa.Float)

    site = tiny(PRIVACY_POLICY=policy())
    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.sqlite", poolclass=sa.NullPool)
    Own.metadata.create_all(engine)
    site.privacy.register_models(engine, {Dated: "email", Numbered: "email"})
    moment = datetime(2026, 5, 8, 12, tzinfo=UTC)
    with Session(engine) as session:
        for day, second in ((7, -1), (8, 0), (9, 1)):
            session.add(Dated(email=ADA, created_on=moment.replace(day=day).date()))
            session.add(Numbered(email=ADA, created=moment.timestamp() + second))
        session.commit()
    rights = site.privacy.site(site.app).rights
    assert [outcome.done.deleted for outcome in rights.stores.erase(ADA, moment)] == [3]
    with Session(engine) as session:
        assert [str(day) for day in session.scalars(sa.select(Dated.created_on))] == ["2026-05-09"]
        assert len(list(session.scalars(sa.select(Numbered.id)))) == 2


def test_two_apps_have_their_own_policy_and_one_list_of_stores(tmp_path):
    """One extension object for two apps: a field is kept in one and deleted in the other."""
    privacy, apps = Privacy(), []
    privacy.register_store("list", export=lambda subject: [subject])
    for name in ("one", "two"):
        app = Flask(name, instance_path=str(tmp_path / name))
        app.config.update(SECRET_KEY="not a secret, a test", TESTING=True)
        privacy.init_app(app)
        apps.append(app)
    assert [privacy.site(app).rights.stores.export("x") for app in apps] == [{"list": ["x"]}] * 2


def test_a_kept_field_that_names_the_person_keeps_the_row_as_it_is(people):
    """Whoever declares that an address must stay keeps it, and the answer says until when."""
    kept = Field("email", "identifying", "Address.", "keep", "A court asked.", Period(1, "year"))
    site = people(PRIVACY_POLICY=policy(kept, *FIELDS[1:]))
    site.add()
    outcome = site.site.cli("erase", "--subject", ADA)
    assert "kept: accounts.email until 2027-05-08. A court asked." in outcome.output
    assert replace(kept).on_erase == "keep" and {row.email for row in site.rows(Account)} == {ADA}


@pytest.mark.parametrize(
    ("kind", "value", "instead"),
    [
        (sa.Date, date(1815, 12, 10), "1900-01-01"), (sa.DateTime, datetime(1815, 12, 10), "1900-01-01T00:00:00"),
        (sa.Numeric(10, 2), Decimal("4.50"), "0.00"), (sa.LargeBinary, b"face", "b''"), (sa.Boolean, True, False),
    ],
    ids=str,
)  # fmt: skip
def test_what_must_say_something_says_nothing_of_the_person(tmp_path, tiny, kind, value, instead):
    """In a row that stays, a column that cannot be empty loses what it said all the same."""
    row = kept_row(tmp_path, tiny, sa.Column("birth", kind, nullable=False), value)
    assert row["birth"] == instead


@pytest.mark.parametrize(
    "column", [sa.Column("birth", sa.Interval, nullable=False), sa.Column("birth", sa.Integer, unique=True, nullable=False)]
)
def test_what_can_say_nothing_else_is_told(tmp_path, tiny, column):
    """Rather than left standing in silence."""
    says = "Make it nullable, or let its field be kept: what it says cannot be taken out of a row that stays."
    assert says in kept_row(tmp_path, tiny, column, timedelta(1) if isinstance(column.type, sa.Interval) else 1815)


def kept_row(tmp_path, tiny, column, value):
    """What is left of a row that an address keeps, or why it cannot be erased."""

    class Own(DeclarativeBase):
        pass

    columns = {"id": sa.Column(sa.Integer, primary_key=True), "address": sa.Column(sa.Text), "email": sa.Column(sa.Text)}
    guest = type("Guest", (Own,), {"__tablename__": "guests", "birth": column, **columns})
    site = tiny(PRIVACY_POLICY=policy(*FIELDS, Field("birth", "identifying", "Your birthday.")))
    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.sqlite", poolclass=sa.NullPool)
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(guest(email=ADA, address="1 Lane", birth=value))
        session.commit()
        site.privacy.register_models(engine, {guest: "email"})
    outcome = site.cli("erase", "--subject", ADA)
    found = site.privacy.site(site.app).rights.stores
    with Session(engine) as session:
        email = session.scalar(sa.select(guest.email))
    return next(iter(found)).export(email)["guests"][0] if outcome.exit_code == 0 else outcome.output
