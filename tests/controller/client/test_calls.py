"""What our commands say of a controller that is silent, not the one it should be, or refuses."""

import errno
import ssl

import aiohttp
import msgspec
import pytest

from controller.client.calls import SilentControllerError, no_answer, refusal
from controller.documents.values import ErrorBody, ErrorDocument
from foundation.errors import ConfigError, RightsError
from foundation.text import Text

URL = "https://10.0.0.1:8780"


def test_a_silent_controller_is_told_with_the_reason():
    error = no_answer(URL, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"))
    assert isinstance(error, SilentControllerError)
    assert "does not answer (Connection refused)" in error.text.en
    assert "连接被拒绝" in error.text.zh


def test_an_unknown_authority_is_mended_with_ca_and_is_not_waited_for():
    unknown = ssl.SSLCertVerificationError(1, "no")
    unknown.verify_code = 20
    wrong = aiohttp.ClientConnectorCertificateError(None, unknown)
    error = no_answer(URL, wrong)
    assert isinstance(error, ConfigError)
    assert "--ca" in error.text.en
    assert "--ca" in error.text.zh


@pytest.mark.parametrize(("status", "help_wanted"), [(401, True), (403, False), (404, False)])
def test_a_refusal_gives_the_controllers_reason_and_for_401_what_helps(status, help_wanted):
    said = ErrorDocument(error=ErrorBody(code="no", message=Text("No.", "不行。")))
    error = refusal(URL, status, msgspec.json.encode(said))
    assert "refused: No." in error.text.en
    assert ("--token-file" in error.text.en) is help_wanted
    assert isinstance(error, RightsError) is (status != 404)


def test_an_answer_of_something_else_is_told_as_such():
    assert "HTTP 502, as no Isochrone controller" in refusal(URL, 502, b"<html>").text.en
