"""Standard streams that are closed, full or no longer read, or lack signs of a sentence."""

import codecs
import errno
import io
import os
import sys
import unicodedata

from foundation.errors import IsochroneError, ResourceError, RightsError
from foundation.reasons import reason_of
from foundation.text import language_of_environment

_NOT_WRITTEN = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EPIPE,
    errno.EROFS,
    errno.EBADF,
}


_NEAREST = {"–": "-", "—": "-", "−": "-", "…": "...", "“": '"', "”": '"', "’": "'", "±": "+/-"}
_NEAREST |= {"×": "x", "→": "->", "←": "<-", "µ": "u", "μ": "u", "·": "*", "≥": ">=", "≤": "<="}
_NEAREST |= {"✓": "yes", "✗": "no", "✕": "no", "⊘": "-", "∞": "inf", "。": "."}
_NEAREST |= dict.fromkeys("─━═┄", "-") | dict.fromkeys("│┃║┆", "|")
_NEAREST |= dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+")
_CHINESE = (
    "测量时延丢包达标，。（）"  # simplified: Big5 and Latin-1 lack it, GBK and GB18030 do not
)


def replace_closed_streams() -> None:
    """Keep sockets and files from becoming a standard stream that was closed.

    Writing to the output that was closed fails with EBADF, as it does for other programs.
    """
    for name, flags, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))


def replace_what_cannot_be_encoded() -> None:
    """Let no sign be more than the terminal's encoding: what it lacks is written as the nearest.

    A run of hours must not end in a traceback for want of a dash in Latin-1, GBK or ASCII.
    """
    codecs.register_error("nearest", _nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="nearest")


def use_a_language_that_can_be_written() -> None:
    """Speak English where Chinese was requested and an output's encoding has no sign of it."""
    if language_of_environment() != "zh":
        return
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if not _is_written_in(encoding):
            os.environ["ISOCHRONE_LANG"] = "en"
            sys.stderr.write(
                f"isochrone: {encoding} cannot write Chinese, so this is in English; use a UTF-8 "
                "or GB18030 locale for Chinese.\n"
            )
            return


def _is_written_in(encoding: str) -> bool:
    try:
        _CHINESE.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_in_ascii, signs)), error.end


def _in_ascii(sign: str) -> str:
    """Return the nearest in ASCII: by our table, else its letter without accents, else a number."""
    plain = _NEAREST.get(sign) or unicodedata.normalize("NFKD", sign)
    letters = plain.encode("ascii", "ignore").decode("ascii")
    return letters or sign.encode("ascii", "backslashreplace").decode("ascii")


def output_error(error: OSError) -> IsochroneError | None:
    """Return what tells that output could not be written, or a file not be touched, else None.

    What is still buffered goes nowhere from now on: Python would complain of it once more.
    """
    if isinstance(error, PermissionError) and error.filename is not None:
        return _no_rights(error)
    if error.errno not in _NOT_WRITTEN:
        return None
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    reason = reason_of(error)
    place = "" if error.filename is None else f" {error.filename}"
    return ResourceError(
        f"The output{place} cannot be written: {reason.en}; free space there, or name another "
        "place.",
        f"无法写入输出{place}：{reason.zh}；请清理磁盘或改用其他位置。",
    )


def _no_rights(error: PermissionError) -> RightsError:
    return RightsError(
        f"This user may not use {error.filename}; run as its owner (sudo -u NAME …), or name "
        "another place.",
        f"当前用户无权使用 {error.filename}；"
        "请以其所有者身份运行（sudo -u 用户名 …），或改用其他位置。",
        file=str(error.filename),
    )
