"""Personal data stores: exported, erased as declared and corrected, in any store and three kinds of models."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from conftest import in_a_thread
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.errors import StoreError
from flask_mixamo_privacy.policy.parts import Field, Period
from support.people_site import FIELDS, Account, Basket, Letter, Order, policy

ADA = "ada@shop.example"

pytestmark = pytest.mark.usefixtures("clock")


def test_promise_32_an_export_has_all_stored_data_except_passwords(people):
    """The export has every column by table, also of rows that only a foreign key relates to the account."""
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


def test_promise_32_an_erasure_follows_each_fields_declaration(people):
    """A field is deleted, anonymised or retained with its reason and end; no other person's is changed."""
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


def test_a_repeated_erasure_changes_nothing_more(people):
    """An erasure interrupted by a crash may be repeated."""
    site = people()
    site.add()
    assert site.site.cli("erase", "--subject", ADA).exit_code == 0
    before = [str(row.__dict__.items()) for row in site.rows(Order)]
    assert site.site.cli("erase", "--subject", ADA).output.startswith("shop: nothing to do")
    assert [str(row.__dict__.items()) for row in site.rows(Order)] and before


def test_a_retained_row_drops_its_reference_to_a_deleted_one(people):
    """A database with foreign keys accepts the erasure, and the invoice refers to no account."""
    site = people()
    sa.event.listen(site.engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    site.add()
    site.add("bob@shop.example")
    assert site.site.cli("erase", "--subject", ADA).exit_code == 0
    assert [account.email for account in site.rows(Account)] == ["bob@shop.example"]
    assert [order.account_id for order in site.rows(Order)] == [None, 2]


def test_no_byte_of_an_erased_person_is_left_in_the_sites_sqlite(people, tmp_path):
    """No byte of the person is in a free page or a log file of the database."""
    site = people()
    with site.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    site.add("xylophone@shop.example")
    site.site.cli("erase", "--subject", "xylophone@shop.example")
    assert [path.name for path in tmp_path.glob("shop.sqlite*") if b"xylophone" in path.read_bytes()] == []


def test_retained_data_is_deleted_at_its_end(people, clock):
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


def test_data_past_its_retention_is_deleted_at_once(people, clock):
    """An invoice from eleven years ago is deleted by the erasure."""
    site = people()
    site.add()
    clock.shift(11 * 366 * 86400)
    site.site.cli("erase", "--subject", ADA)
    assert site.rows(Order) == []


def test_an_erasure_writes_an_entry_under_the_keyed_hash(people):
    """An export writes one too, and neither identifies the person."""
    site = people()
    site.add()
    site.site.cli("export", ADA)
    site.site.cli("erase", "--subject", ADA)
    key, hashed = site.rights.data_subjects.pseudonymise(ADA)
    rows = site.site.ledger("access", "erasure")
    assert [(row["kind"], row["subject"], row["subject_key"]) for row in rows] == [
        ("access", hashed, key),
        ("erasure", hashed, key),
    ]
    assert "ada@" not in str(rows)  # only these three letters may be part of a hash


def test_nothing_is_erased_without_an_entry(people, tmp_path):
    """Without the entry a restore would undo the erasure unnoticed."""
    (tmp_path / "file").touch()
    away = {"PRIVACY_LEDGER_URL": f"sqlite:///{tmp_path}/file/l.sqlite", "PRIVACY_LOG_DIR": f"{tmp_path}/file/log"}
    site = people(**away, PRIVACY_KEYS={"one": "sixteen characters"})
    site.add()
    assert site.site.cli("erase", "--subject", ADA).exit_code == 2
    assert len(site.mentions("ada")) == 3


@pytest.mark.parametrize("arguments", [[], ["abc", "--subject", ADA]], ids=["none", "two"])
def test_erase_requires_one_visitor_or_one_subject(people, arguments):
    """The command exits with 2 and the next step."""
    outcome = people().site.cli("erase", *arguments)
    assert outcome.exit_code == 2 and "Name either a visitor, or a person with --subject." in outcome.output


def test_any_store_can_be_registered(tiny):
    """A list at a mail service is registered as functions; a missing one is reported."""
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
    assert (listed, outcome.exit_code) == (
        {},
        1,
    ) and "paper files: not covered. Erase the person there by hand." in outcome.output


def test_a_host_in_ascii_and_in_unicode_is_one_person(people):
    """The host matches in either form, in a table, in a store and in a command."""
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


def test_a_failing_store_stops_no_other(people):
    """The command names the store and its error."""
    site = people()
    site.site.privacy.register_store("broken", export=lambda subject: None, erase=lambda subject: 1 / 0)
    site.add()
    outcome = site.site.cli("erase", "--subject", ADA)
    assert outcome.exit_code == 1 and "broken: ZeroDivisionError: division by zero" in outcome.output
    assert site.mentions("ada") == []


def test_a_correction_reaches_every_table(people):
    """The named field is corrected everywhere; a table without it stays as it is."""
    site = people()
    site.add()
    outcomes = site.rights.data_subjects.correct(ADA, {"name": "Augusta"}, "staff")
    assert [outcome.result.corrected for outcome in outcomes] == [2]
    assert site.mentions("augusta") == ["accounts", "orders"]
    assert json.loads(site.site.ledger("correction")[0]["detail"]) == {"by": "staff", "fields": ["name"]}


@pytest.mark.parametrize(
    ("subjects", "message"),
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
def test_a_wrong_column_raises_at_its_declaration(tiny, subjects, message):
    """The error lists the existing columns."""
    with pytest.raises(StoreError, match=message):
        tiny().privacy.register_models(None, subjects)


def test_a_store_without_functions_raises(tiny):
    """It raises when it is registered, not at the first deletion."""
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
    """The session may come from an engine, a sessionmaker or a scoped session."""

    class Own(DeclarativeBase):
        pass

    class Person(Own):
        __tablename__ = "persons"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str] = mapped_column(info={"privacy": "email"})

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/own.sqlite")
    session = session_of(site.app, Own)
    site.privacy.register_models(session, {Person: "mail"})
    store_and_erase(site, Own.metadata, Person)


def test_models_of_flask_sqlalchemy_are_covered(tmp_path, tiny):
    """The session needs the app's context, which commands and pages have."""
    from flask_sqlalchemy import SQLAlchemy

    site = tiny(PRIVACY_POLICY=policy(), SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/own.sqlite")
    db = SQLAlchemy(site.app)

    class Person(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        mail = db.Column(db.String, info={"privacy": "email"})

    site.privacy.register_models(db.session, {Person: "mail"})
    with site.app.app_context():
        store_and_erase(site, db.metadata, Person, db.engine)


def test_models_of_flask_sqlalchemy_lite_are_covered(tmp_path, tiny):
    """The session is requested when it is needed."""
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
            store_and_erase(site, Own.metadata, Person, db.engine)

    in_a_thread(in_context)  # the extension closes its sessions by asyncio


def store_and_erase(site, metadata, model, engine=None):
    """Store a person, find, erase and miss it."""
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


def levels_of_findings(site):
    return {finding["key"]: finding["level"] for finding in json.loads(site.cli("check", "--json").output)}


def test_promise_4_an_undeclared_column_that_looks_personal_is_reported(tmp_path, tiny):
    """It is reported with its model and exit code 1, unless the site states that it is not personal."""

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
    assert {key for key in levels_of_findings(site) if key.startswith("models")} == {
        "models.Guest.mobilePhone",
        "models.Guest.birth_date",
    }
    message = "The model Guest has the column 'birth_date', which looks personal, and no field declares it."
    assert f'error: {message} Add [[fields]] with name = "birth_date"' in outcome.output
    assert 'or info={"privacy": False} if it holds no personal data.' in outcome.output


def test_promise_4_an_unregistered_model_is_reported(tmp_path, tiny):
    """A model of Flask-SQLAlchemy and one in the app's own package are reported."""
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
    assert guest and {key for key in levels_of_findings(site) if key.startswith("models")} == {
        "models.Person",
        "models.Person.phone",
        "models.Guest.iban",
    }


def test_an_incomplete_store_is_reported(tiny):
    """It is reported before the first request of a person."""
    site = tiny()
    site.privacy.register_store("list", erase=lambda subject: 0)
    levels = {key: level for key, level in levels_of_findings(site).items() if key.startswith("stores")}
    assert levels == dict.fromkeys([f"stores.list.{what}" for what in ("subject", "export", "erase", "correct")], "warning")


def test_a_policy_states_what_a_deletion_retains(people):
    """The page has the field, the period and the reason."""
    text = people().site.visitor().get("/privacy/").text
    assert "We make this anonymous instead of deleting it: Message." in text
    for words in (
        "If you ask us to delete your data, we still keep the following for a while.",
        "10 years",
        "The tax office asks for invoices.",
    ):
        assert words in text


def test_dates_and_numbers_have_ages_too(tmp_path, tiny):
    """A day without a time counts completely; a number is in seconds since 1970."""

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
    rights = site.privacy.runtime(site.app).rights
    assert [outcome.result.deleted for outcome in rights.stores.erase(ADA, moment)] == [3]
    with Session(engine) as session:
        assert [str(day) for day in session.scalars(sa.select(Dated.created_on))] == ["2026-05-09"]
        assert len(list(session.scalars(sa.select(Numbered.id)))) == 2


def test_two_apps_have_their_own_policy_and_share_the_stores(tmp_path):
    """One extension serves two apps: one retains a field and the other deletes it."""
    privacy, apps = Privacy(), []
    privacy.register_store("list", export=lambda subject: [subject])
    for name in ("one", "two"):
        app = Flask(name, instance_path=str(tmp_path / name))
        app.config.update(SECRET_KEY="not a secret, a test", TESTING=True)
        privacy.init_app(app)
        apps.append(app)
    assert [privacy.runtime(app).rights.stores.export("x") for app in apps] == [{"list": ["x"]}] * 2


def test_a_retained_identifying_field_keeps_the_row_unchanged(people):
    """An address that must be retained stays, and the answer has its end."""
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
def test_a_required_column_is_replaced_in_a_retained_row(tmp_path, tiny, kind, value, instead):
    """A column that cannot be NULL gets a placeholder."""
    row = kept_row(tmp_path, tiny, sa.Column("birth", kind, nullable=False), value)
    assert row["birth"] == instead


@pytest.mark.parametrize(
    "column", [sa.Column("birth", sa.Interval, nullable=False), sa.Column("birth", sa.Integer, unique=True, nullable=False)]
)
def test_a_column_without_a_possible_placeholder_raises(tmp_path, tiny, column):
    """The erasure fails instead of keeping the value silently."""
    message = (
        'Make the column nullable, or declare its field with on_erase = "keep". Its row has to stay, without the value.'
    )
    assert message in kept_row(tmp_path, tiny, column, timedelta(1) if isinstance(column.type, sa.Interval) else 1815)


def kept_row(tmp_path, tiny, column, value):
    """Return the row that a retained address keeps, or the error of the erasure."""

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
    stores = site.privacy.runtime(site.app).rights.stores
    with Session(engine) as session:
        email = session.scalar(sa.select(guest.email))
    return next(iter(stores)).export(email)["guests"][0] if outcome.exit_code == 0 else outcome.output
