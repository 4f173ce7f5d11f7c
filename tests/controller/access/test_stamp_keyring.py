"""Keys of authenticated probes: who is given which, when, and what a rotation or an end changes."""

import contextlib
import hmac
import pathlib
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.access.credential_store import CredentialStore
from controller.access.credentials import CertificateRecord
from controller.access.stamp_keyring import KEPT_EPOCHS, StampKeyring, pair_key
from foundation.clock import SystemClock

names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
LATER_NS = SystemClock().wall_ns() + 10**15


@pytest.fixture
def keyring(tmp_path: pathlib.Path) -> Iterator[StampKeyring]:
    with contextlib.closing(StampKeyring(tmp_path, SystemClock())) as opened:
        yield opened


@pytest.fixture
def access(tmp_path: pathlib.Path) -> Iterator[CredentialStore]:
    with contextlib.closing(CredentialStore(tmp_path, SystemClock())) as opened:
        yield opened


@given(st.binary(min_size=32, max_size=32), names, names)
def test_key_is_hkdf_of_the_secret_and_both_names(secret: bytes, one: str, other: str) -> None:
    info = f"isochrone stamp key 1\0{one}\0{other}".encode()
    assert pair_key(secret, one, other) == hmac.digest(secret, info + b"\x01", "sha256")


@given(
    st.binary(min_size=32, max_size=32),
    st.lists(st.tuples(names, names), min_size=2, max_size=8, unique=True),
)
def test_no_two_pairs_share_a_key_nor_do_the_directions(
    secret: bytes, pairs: list[tuple[str, str]]
) -> None:
    pairs = list({*pairs, *((b, a) for a, b in pairs)})
    assert len({pair_key(secret, *pair) for pair in pairs}) == len(pairs)


def test_secrets_are_their_owners_alone_and_say_nothing_of_themselves(
    keyring: StampKeyring, tmp_path: pathlib.Path
) -> None:
    keyring.rotate()
    (epoch,) = keyring.epochs()
    assert len(epoch.secret) == 32
    shown = repr(epoch)
    assert repr(epoch.secret) not in shown
    assert epoch.secret.hex() not in shown
    assert epoch.fingerprint not in epoch.secret.hex()
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_sender_has_a_key_only_once_its_reflector_answers_to_it(keyring: StampKeyring) -> None:
    assert keyring.current() == 1
    assert keyring.probing("a", "b") is None
    assert len(keyring.answering("a", "b")) == 1
    keyring.note_holder("b", 7)  # we know of no such epoch
    assert keyring.probing("a", "b") is None
    keyring.note_holder("b", 1)
    assert keyring.probing("a", "b") == keyring.answering("a", "b")[0]
    assert keyring.probing("b", "a") is None


def test_rotation_is_crossed_without_a_moment_when_a_key_in_use_is_not_answered(
    keyring: StampKeyring,
) -> None:
    for _ in range(2):
        keyring.rotate()
    keyring.note_holder("b", 2)
    for _ in range(5):
        before = keyring.probing("a", "b")
        number = keyring.rotate()
        assert keyring.probing("a", "b") == before  # until b says it has the new one
        new, old = keyring.answering("a", "b")
        assert old == before
        keyring.note_holder("b", number)
        assert keyring.probing("a", "b") == new
        assert keyring.answering("a", "b") == (new, old)


def test_reflector_that_missed_rotations_answers_to_what_its_senders_still_use(
    keyring: StampKeyring,
) -> None:
    keyring.rotate()
    keyring.note_holder("b", 1)
    old = keyring.probing("a", "b")
    for _ in range(3):
        keyring.rotate()
    assert keyring.probing("a", "b") == old
    assert keyring.answering("a", "b")[-1] == old
    keyring.note_holder("b", 4)
    assert keyring.answering("a", "b")[-1] == old  # senders are only now being told
    assert keyring.probing("a", "b") == keyring.answering("a", "b")[0]
    keyring.rotate()
    keyring.note_holder("b", 5)
    assert old not in keyring.answering("a", "b")
    assert len(keyring.answering("a", "b")) == 2


def test_agent_out_of_reach_for_too_long_is_no_longer_probed(keyring: StampKeyring) -> None:
    keyring.rotate()
    keyring.note_holder("b", 1)
    for _ in range(KEPT_EPOCHS):
        keyring.rotate()
    assert len(keyring.epochs()) == KEPT_EPOCHS
    assert keyring.probing("a", "b") is None
    assert len(keyring.answering("a", "b")) == 2


def test_keys_of_a_revoked_agent_are_worth_nothing(
    keyring: StampKeyring, access: CredentialStore
) -> None:
    keyring.rotate()
    for agent in "abc":
        keyring.note_holder(agent, 1)
    held = {(a, b): keyring.probing(a, b) for a in "abc" for b in "abc" if a != b}
    access.revoke_agent("a")
    keyring.refresh()
    answered = {key for b in "bc" for key in keyring.answering("a", b)}
    answered |= {key for b in "bc" for key in keyring.answering(b, "a")}
    assert not answered & set(held.values())
    assert keyring.probing("b", "a") is None
    assert keyring.probing("a", "b") is None
    # Nothing changes for the others, who go over to the new epoch as after a rotation.
    assert keyring.probing("b", "c") == held["b", "c"]
    assert held["b", "c"] in keyring.answering("b", "c")
    keyring.note_holder("b", 2)
    assert keyring.probing("a", "b") == keyring.answering("a", "b")[0]


def test_agent_that_is_enrolled_again_starts_with_new_keys_and_a_first_one_changes_nothing(
    keyring: StampKeyring, access: CredentialStore
) -> None:
    def enrol(serial: str) -> None:
        token = access.create_enrolment_token("a", "f" * 64, LATER_NS)
        record = CertificateRecord(serial=serial, agent="a", issued_ns=0, expires_ns=LATER_NS)
        access.enrol(token.split(".")[1], record)
        keyring.refresh()

    keyring.rotate()
    enrol("1")
    assert keyring.current() == 1
    keyring.note_holder("a", 1)
    leaked = keyring.answering("b", "a")
    enrol("2")
    assert keyring.current() == 2
    assert [each.cause for each in keyring.epochs()] == ["rotation", "a"]
    assert not set(leaked) & set(keyring.answering("b", "a"))
    assert keyring.probing("b", "a") is None


def test_without_authenticated_streams_nothing_is_made(
    keyring: StampKeyring, access: CredentialStore
) -> None:
    access.revoke_agent("a")
    keyring.refresh()
    assert keyring.epochs() == []


def test_what_another_process_writes_and_leaves_is_seen_by_both_books(
    keyring: StampKeyring, access: CredentialStore, tmp_path: pathlib.Path
) -> None:
    keyring.rotate()
    program = (
        "import pathlib, sys\n"
        "from controller.access.credential_store import CredentialStore\n"
        "from foundation.clock import SystemClock\n"
        "book = CredentialStore(pathlib.Path(sys.argv[1]), SystemClock())\n"
        "book.revoke_agent('a')\n"
        "book.create_api_token('viewer', 'new', None)\n"
        "book.close()\n"
    )
    for number in (2, 3):
        subprocess.run([sys.executable, "-P", "-c", program, str(tmp_path)], check=True, timeout=60)
        keyring.refresh()
        access.refresh()
        assert keyring.current() == number
        assert len(access.tokens()) == number - 1


def test_generation_grows_with_what_matters_alone(
    keyring: StampKeyring, access: CredentialStore
) -> None:
    keyring.rotate()
    seen = keyring.generation
    access.audit(actor="x", action="y", subject="z")
    keyring.refresh()
    keyring.note_holder("b", 9)
    assert keyring.generation == seen
    keyring.note_holder("b", 1)
    keyring.note_holder("b", 1)
    assert keyring.generation == seen + 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["rotate", "revoke a", "b holds", "c holds"]), max_size=12))
def test_whatever_is_in_use_is_answered_and_what_was_ended_never_is(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    data = tmp_path_factory.mktemp("keys")
    ended: set[bytes] = set()
    with (
        contextlib.closing(StampKeyring(data, SystemClock())) as keyring,
        contextlib.closing(CredentialStore(data, SystemClock())) as access,
    ):
        keyring.rotate()
        for step in steps:
            if step == "rotate":
                keyring.rotate()
            elif step == "revoke a":
                ended |= {key for other in "bc" for key in keyring.answering("a", other)}
                ended |= {key for other in "bc" for key in keyring.answering(other, "a")}
                access.revoke_agent("a")
                keyring.refresh()
            else:
                keyring.note_holder(step[0], keyring.current())
            for sender, reflector in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")):
                answered = keyring.answering(sender, reflector)
                assert 1 <= len(answered) <= KEPT_EPOCHS
                used = keyring.probing(sender, reflector)
                assert used is None or used in answered
                if "a" in (sender, reflector):
                    assert not ended & set(answered)
