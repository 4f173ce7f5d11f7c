"""What is not to be trusted is really handed in, and a fleet that trusts it is told of.

The stage is one whose controller and agents believe whatever they are asked to believe: that of
the product never would, so nobody else shows that a fault finds what it looks for.
"""

import datetime as dt
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from agent.identity.trust import new_request, save_trust
from controller.access.certificate_authority import load_authority
from controller.commands.tokens import token
from foundation.clock import SystemClock
from lab.faults import trust
from lab.faults.agents import Agents
from lab.faults.network import FaultNetwork
from lab.faults.sites import ADDRESSES, PROBES_PER_S
from lab.faults.stage import Stage
from lab.faults.trust import (
    expired,
    foreign_certificate,
    forged_batches,
    forged_plan,
    impostor,
    replayed,
    revoked,
)
from lab.fleet.owner_commands import create_authority
from lab.fleet.processes import ControllerProcess
from messages.enrolment import CertificateDocument

VICTIM = "nanjing"
USUAL = PROBES_PER_S * len(ADDRESSES)
CHUNKS = [(name, name.encode() * 50) for name in ADDRESSES]


class Nowhere(FaultNetwork):
    """No networks, and so nothing on the wire."""

    def __init__(self) -> None:
        self.addresses = ADDRESSES

    def probes_on_the_wire(self) -> int:
        return 0


class Controller(ControllerProcess):
    """What a controller would have read at each start."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.run_dir, stage.sites, {})
        self.starts: list[tuple[bytes, bytes, str]] = []  # authority, key of plans, sites
        self._sites = stage.sites

    def start(self) -> None:
        keys = self.data / "keys"
        authority, key = (keys / "authority.pem").read_bytes(), (keys / "plan.key").read_bytes()
        self.starts.append((authority, key, self._sites.read_text(encoding="utf-8")))

    def stop(self) -> None:
        pass

    kill = stop


class Papers(Agents):
    """Agents with their papers: `starts` has the certificate that the victim started with."""

    starts: list[x509.Certificate]
    alive = True

    def start(self, name: str) -> None:
        self.alive = True
        if name == VICTIM:
            held = self.state_dir(name) / "trust" / "agent.pem"
            self.starts.append(x509.load_pem_x509_certificate(held.read_bytes()))

    def stop(self, *names: str) -> None:
        self.alive = False


class Believing(Stage):
    """Takes windows from anybody and runs any plan, or (if not `believing`) does as it should."""

    def __init__(self, place: Path, *, believing: bool) -> None:
        super().__init__(Nowhere(), place, 5)
        self.believing = believing
        self.now_s, self.stored, self.enrolled = 0.0, 0, list[str]()
        self.controller = self.owned = Controller(self)
        self.agents = self.held = Papers(self.network, place, self.url)
        self.held.starts = []
        create_authority(self.controller.data, "127.0.0.1")
        self.authority = load_authority(self.controller.data, SystemClock())
        for name in ADDRESSES:
            self.enrol(name, self.token_for(name))
        self.enrolled.clear()

    def begin(self) -> None:
        pass

    def wait_for_controller(self) -> None:
        pass

    def pause(self, low_s: float, high_s: float | None = None) -> None:
        self.now_s += low_s

    def enrol(self, name: str, token: str) -> None:
        key, request = new_request(name)
        given = CertificateDocument(
            agent=name,
            certificate=self.authority.issue(request, name)[0],
            authority=self.authority.pem,
            plan_key=self.authority.plan_public_key,
        )
        save_trust(self.agents.state_dir(name), key, given)
        self.enrolled.append(name)

    def windows_stored(self, name: str) -> int:
        self.stored += self.believing
        return self.stored

    def rate_on_the_wire(self, seconds: float) -> float:
        return USUAL * (10.0 if self.believing else 1.0)

    def deliver_later(self, seconds: float) -> list[tuple[str, bytes]]:
        return CHUNKS


@pytest.fixture(params=[True, False], ids=["believing", "careful"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Believing:
    return Believing(tmp_path, believing=request.param)


def test_an_expired_certificate_is_what_the_agent_starts_with_until_it_is_enrolled_again(
    stage: Believing,
) -> None:
    expired(stage, 1)
    before, after = stage.held.starts
    before.verify_directly_issued_by(stage.authority.certificate)
    assert before.not_valid_after_utc < dt.datetime.now(dt.UTC) < after.not_valid_after_utc
    assert stage.enrolled == [VICTIM]
    assert len(stage.problems) == stage.believing


def test_a_foreign_certificate_is_of_another_authority_until_it_is_enrolled_again(
    stage: Believing,
) -> None:
    foreign_certificate(stage, 1)
    before, after = stage.held.starts
    with pytest.raises(InvalidSignature):
        before.verify_directly_issued_by(stage.authority.certificate)
    assert before.not_valid_after_utc > dt.datetime.now(dt.UTC)
    after.verify_directly_issued_by(stage.authority.certificate)
    assert stage.enrolled == [VICTIM]
    assert len(stage.problems) == stage.believing


def test_who_was_revoked_may_be_heard_for_a_minute_and_no_longer(
    stage: Believing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "time", SimpleNamespace(monotonic=lambda: stage.now_s))
    said = revoked(stage, 1)
    listed = CliRunner().invoke(token, ["list", "--data", str(stage.controller.data)]).stdout
    assert "revoked" in next(line for line in listed.splitlines() if VICTIM in line)
    assert stage.enrolled == [VICTIM]
    assert len(stage.problems) == stage.believing
    assert ("0.0 s" in said.en) is not stage.believing


def test_an_impostor_answers_with_another_authority_and_the_true_one_comes_back(
    stage: Believing,
) -> None:
    true = stage.authority.pem.encode()
    impostor(stage, 1)
    (false, *_), (last, *_) = stage.owned.starts
    assert false != true
    assert last == true
    assert len(stage.problems) == stage.believing


def test_a_forged_plan_asks_for_ten_times_as_much_and_the_true_one_comes_back(
    stage: Believing,
) -> None:
    key, sites = (stage.controller.data / "keys" / "plan.key").read_bytes(), stage.sites.read_text()
    said = forged_plan(stage, 1)
    (_, false_key, false_sites), (_, *last) = stage.owned.starts
    assert false_key != key
    rates = [
        sum(1e3 / float(ms) for ms in re.findall(r"interval_ms = (\d+)", text))
        for text in (sites, false_sites)
    ]
    assert rates[1] == pytest.approx(10 * rates[0])
    assert last == [key, sites]
    assert f"forged {10 * USUAL}/s" in said.en
    assert len(stage.problems) == stage.believing


Post = tuple[str, str, bytes]  # by whom, as whom, what
Answering = Callable[[Callable[[bool], int]], tuple[Believing, list[Post]]]


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    """Return a function that gives a stage whose controller answers every chunk with the status
    for agents that are there or away; and what is posted to it."""
    servers: list[ThreadingHTTPServer] = []

    def given(status: Callable[[bool], int]) -> tuple[Believing, list[Post]]:
        stage, posts = Believing(tmp_path, believing=False), list[Post]()

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert isinstance(self.connection, ssl.SSLSocket)
                subject = str((self.connection.getpeercert() or {})["subject"])
                (who,) = (name for name in ADDRESSES if name in subject)
                as_whom = self.path.split("/")[-2]
                what = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((who, as_whom, what))
                self.send_response(status(stage.held.alive))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        context = stage.authority.server_context()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        stage.url = f"https://127.0.0.1:{server.server_port}"
        return stage, posts

    yield given
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("there", "away", "problem"),
    [
        (409, 200, None),
        (200, 200, "beside a living agent"),
        (409, 409, "replays were answered"),
    ],
)
def test_a_replay_is_refused_beside_its_agent_and_stored_before_without_it(
    answering: Answering, there: int, away: int, problem: str | None
) -> None:
    stage, posts = answering(lambda alive: there if alive else away)
    replayed(stage, 1)
    assert len(posts) == 20
    assert posts[:10] == posts[10:]
    assert all(who == name and (name, what) in CHUNKS for who, name, what in posts)
    assert stage.held.alive
    assert len(stage.problems) == (problem is not None)
    assert all(problem in told for told in stage.problems if problem)


@pytest.mark.parametrize("status", [400, 204])
def test_a_forged_chunk_is_in_no_case_a_whole_one_of_the_agent_that_hands_it_in(
    answering: Answering, status: int
) -> None:
    stage, posts = answering(lambda alive: 409 if alive else status)
    forged_batches(stage, 2)
    assert len(posts) == 40
    assert not [post for post in posts if post[0] == post[1] and post[1:] in CHUNKS]
    whole = [post for post in posts if post[2] in dict(CHUNKS).values()]
    assert len(whole) == 20  # in its agent's name by another, and by another in its own
    assert [told[:2] for told in stage.problems] == ([] if status == 400 else ["40"])
