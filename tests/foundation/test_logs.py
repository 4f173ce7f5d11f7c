import io
import json
import logging
from collections.abc import Callable
from typing import Any

from foundation.logs import JsonLines, PlainLines


def records(log: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.Logger("isochrone.test")
    logger.addHandler(handler)
    log(logger)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_record_is_one_json_object_with_its_fields() -> None:
    (line,) = records(
        lambda logger: logger.warning("节点 %s\n断开", "a1", extra={"fields": {"condition": "x"}})
    )
    assert line["message"] == "节点 a1\n断开"
    assert (line["level"], line["logger"]) == ("warning", "isochrone.test")
    assert line["condition"] == "x"
    assert line["time"].endswith("+00:00")


def test_exception_is_a_field_of_its_line() -> None:
    def broken(logger: logging.Logger) -> None:
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("broke")

    (line,) = records(broken)
    assert "ValueError: no" in line["exception"]


def test_a_line_for_people_is_one_line_whatever_others_wrote() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainLines("%(levelname)s %(message)s"))
    logger = logging.Logger("isochrone.test")
    logger.addHandler(handler)
    logger.warning("agent says %s", "\x1b[2Jx\nERROR forged\u202e")
    assert stream.getvalue() == "WARNING agent says \ufffd[2Jx\ufffdERROR forged\ufffd\n"
