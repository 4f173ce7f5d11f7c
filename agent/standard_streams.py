"""Standard streams that are closed, full or no longer read (`>&-`, `/dev/full`, `| head`)."""

import errno
import os
import sys

from probes.errors import ResourceError
from probes.reasons import reason_of

_NOT_WRITTEN = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EPIPE,
    errno.EROFS,
    errno.EBADF,
}


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


def output_error(error: OSError) -> ResourceError | None:
    """Return what tells that output could not be written, None for errors of another kind.

    What is still buffered goes nowhere from now on: Python would complain of it once more.
    """
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
