"""Several hosts on one database: a host with other keys gets an error with the next step, and writes nothing."""

import json

import pytest
import sqlalchemy as sa

from conftest import choose
from flask_mixamo_privacy.errors import KeyMissing, LedgerUnavailable, RightsUnavailable, StoreUnavailable
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.ledger.verify import verify
from flask_mixamo_privacy.mail.preference_store import PreferenceStore
from flask_mixamo_privacy.rights.subject_flags import SubjectFlags
from flask_mixamo_privacy.storage.database import KeyRegister
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.store import EventStore
from support.mail_site import ADA, Shop

A, B = {"2026": "the secret of one host"}, {"2026": "the secret of another host"}
SAME_KEYS = "Set PRIVACY_KEYS to the same keys on every host"


class Host:
    """One host with its own keys. Its databases are those of every host."""

    def __init__(self, shared, own, keys=None):
        own.mkdir(exist_ok=True)
        self.keys = KeyRing(keys, str(own / "privacy-keys.json"))
        self.ledger = Ledger(f"sqlite:///{shared}/ledger.sqlite", self.keys, Spool(str(own / "pending")))
        self.events = EventStore(f"sqlite:///{shared}/events.sqlite", self.keys, Spool(str(own / "erasures")))
        self.flags = SubjectFlags(f"sqlite:///{shared}/rights.sqlite", self.keys)
        self.marketing = PreferenceStore(f"sqlite:///{shared}/rights.sqlite", KeyRegister(self.keys, "rights"))

    def opt_out(self, person):
        self.marketing.opt_out(self.keys.subject_hashes(person), "", "2026-05-08T12:00:00.000Z", "site")

    def is_out(self, person):
        return self.marketing.is_out(self.keys.subject_hashes(person), "")


@pytest.fixture
def host(tmp_path):
    return lambda name, keys=None: Host(tmp_path, tmp_path / name, keys)


def test_a_generated_key_has_an_id_of_its_own(host):
    """Two hosts that generate keys get two ids. The id reveals nothing of the secret."""
    one, other = host("one").keys, host("other").keys
    assert one.newest != other.newest and one.newest == host("one").keys.newest
    assert one.newest.startswith("key-") and len(one.newest) == 12


def test_a_key_file_of_an_earlier_version_keeps_its_id(host, tmp_path):
    """Rows that name the id "first" stay valid."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "privacy-keys.json").write_text(json.dumps({"first": "a secret of an earlier version"}))
    assert list(host("one").keys) == ["first"]
    host("one").ledger.record("erasure", subject="ada@example.org")
    assert verify(host("one").ledger).discrepancies == []


@pytest.mark.parametrize(("keys", "others"), [(None, None), (A, B), (A, {"other": "the secret of another host"})])
def test_a_host_with_other_keys_writes_nothing(host, keys, others):
    """Ledger, events, marketing preferences and flags each refuse, and name the next step."""
    one, other = host("one", keys), host("other", others)
    one.ledger.record("erasure"), one.opt_out("ada@example.org")
    with one.events.write():
        pass
    with pytest.raises(LedgerUnavailable, match="same keys on every host"):
        other.ledger.record("erasure")
    with pytest.raises(StoreUnavailable, match="same keys on every host"), other.events.write():
        pass
    with pytest.raises(RightsUnavailable, match="same keys on every host"):
        other.opt_out("ada@example.org")
    with pytest.raises(RightsUnavailable, match="same keys on every host"):
        other.flags.add("ada@example.org", "minor")
    assert len(list(one.ledger.entries())) == 1 and one.is_out("ada@example.org")


def test_another_secret_under_the_same_id_is_no_tampering(host):
    """Verification and look-ups fail with the cause. They find neither changed entries nor a person without an opt-out."""
    one, other = host("one", A), host("other", B)
    one.ledger.record("erasure"), one.opt_out("ada@example.org")
    with pytest.raises(LedgerUnavailable, match=f"PRIVACY_KEYS has another secret under the id '2026' .* {SAME_KEYS}"):
        verify(other.ledger)
    with pytest.raises(RightsUnavailable, match=SAME_KEYS):
        other.is_out("ada@example.org")


def test_a_look_up_with_a_missing_key_names_the_file_and_the_next_step(host):
    """A host with generated keys is pointed to its own file."""
    one, other = host("one"), host("other")
    one.flags.add("ada@example.org", "minor")
    with pytest.raises(KeyMissing, match=r"other/privacy-keys.json has only: key-\w+\. .*set PRIVACY_KEYS to the same keys"):
        other.flags.find("grace@example.org", "minor")


def test_hosts_with_the_keys_of_both_find_everything(host, tmp_path):
    """What to do, done: the keys of all hosts on every host, that of the database last."""
    one, other = host("one"), host("other")
    one.ledger.record("erasure"), one.opt_out("ada@example.org")
    read = [
        json.loads((tmp_path / name / "privacy-keys.json").read_text()) for name in ("other", "one") if other.keys.newest
    ]
    for name in ("one", "other"):
        both = host(name, read[0] | read[1])
        both.ledger.record("erasure")
        assert verify(both.ledger).discrepancies == [] and both.is_out("ada@example.org")


def test_an_old_key_may_be_dropped_and_the_newest_may_not(host):
    """A rotation adds a key; a host that lacks it is out of date."""
    new = {"2027": "the secret of the next year"}
    for keys in (A, A | new, new):
        host("one", keys).opt_out("ada@example.org")
    with pytest.raises(RightsUnavailable, match="has the keys 2026; allowed: keys that include the last one used here, the"):
        host("one", A).opt_out("ada@example.org")


def test_the_register_of_events_has_no_value_in_common_with_the_others(host, tmp_path):
    """Neither the id nor the fingerprint of a key links traffic to identities."""
    one = host("one")
    one.opt_out("ada@example.org"), one.ledger.record("erasure")
    with one.events.write():
        pass
    found = []
    for name in ("events", "rights", "ledger"):
        with sa.create_engine(f"sqlite:///{tmp_path}/{name}.sqlite", poolclass=sa.NullPool).connect() as connection:
            found.append(set(connection.execute(sa.text("SELECT fingerprint, key FROM privacy_keys")).one()))
    assert not found[0] & (found[1] | found[2]) and found[1] & found[2] == {one.keys.newest}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"k": 5}', b'"text"', b"\xff\xfe"])
def test_a_damaged_key_file_stops_only_what_needs_a_key(tiny, content):
    """A grant and an opt-out get 503, a refusal takes effect, and the operator gets the path and the next step."""
    with Shop(tiny, TESTING=False, PRIVACY_LOADER=False) as shop:
        site, path = shop.site, shop.site.folder / "privacy-keys.json"
        path.write_bytes(content)
        visitor = site.visitor()
        statuses = [choose(visitor, choice).status_code for choice in ("accept_all", "reject_all")]
        assert [*statuses, visitor.post("/privacy/unsubscribe/" + "a" * 45).status_code] == [503, 303, 503]
        for command in (["check"], ["export", ADA], ["erase", "--subject", ADA]):
            outcome = site.cli(*command)
            assert f"{path} is damaged; allowed: a JSON object" in outcome.output
            assert outcome.exit_code == (1 if command == ["check"] else 2)
        assert path.read_bytes() == content
