"""Data subjects that are named by a UUID, in the ways in which databases store one."""

import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from support.people_site import policy

pytestmark = pytest.mark.usefixtures("clock")

ID, OTHER = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e"), uuid.UUID(int=7)


class Guid(sa.types.TypeDecorator):
    """The type of SQLAlchemy's recipe, which many sites have copied."""

    impl, cache_ok = sa.CHAR(32), True

    def process_bind_param(self, value, dialect):
        return value if value is None else uuid.UUID(str(value)).hex

    def process_result_value(self, value, dialect):
        return value if value is None else uuid.UUID(value)


class Bytes(Guid):
    """A type that stores the sixteen bytes."""

    impl, cache_ok, python_type = sa.LargeBinary(16), True, uuid.UUID

    def process_bind_param(self, value, dialect):
        return value if value is None else value.bytes

    def process_result_value(self, value, dialect):
        return value if value is None else uuid.UUID(bytes=value)


@pytest.fixture(params=[sa.Uuid(), sa.Uuid(native_uuid=False), sa.Uuid(as_uuid=False), Guid(), Bytes(), sa.String(36)])
def site(request, tiny, tmp_path):
    class Base(DeclarativeBase):
        pass

    class User(Base):
        __tablename__ = "users"
        id: Mapped[object] = mapped_column(request.param, primary_key=True)
        name: Mapped[str]

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[object] = mapped_column(request.param, sa.ForeignKey("users.id"))

    engine = sa.create_engine(f"sqlite:///{tmp_path}/site.sqlite")
    Base.metadata.create_all(engine)
    is_text = isinstance(request.param, sa.String) or getattr(request.param, "as_uuid", True) is False
    with Session(engine) as session:
        for each in (ID, OTHER):
            value = str(each) if is_text else each
            session.add(User(id=value, name="Ada"))
            session.flush()
            session.add(Order(user_id=value))
        session.commit()
    site = tiny(PRIVACY_POLICY=policy(), PRIVACY_SEND=lambda mail: None)
    site.privacy.register_models(engine, {User: "id", Order: "user_id.id"})
    return site


def test_promise_32_the_rows_of_a_uuid_are_exported(site):
    """Rows behind a foreign key are exported with them, and no other person's."""
    (tables,) = site.privacy.runtime(site.app).rights.stores.export(str(ID)).values()
    assert [row["id"] for row in tables["users"]] == [str(ID)] and [row["user_id"] for row in tables["orders"]] == [str(ID)]


def test_promise_34_the_rows_of_a_uuid_are_erased(site):
    """A replay finds them under the same id."""
    stores = site.privacy.runtime(site.app).rights.stores
    assert site.cli("erase", "--subject", str(ID)).exit_code == 0
    assert {subject for store in stores for subject in store.subject()} == {str(OTHER)}
