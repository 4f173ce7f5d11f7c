"""Standard output and standard error that outlast their terminal and their reader.

Progress that nobody can be shown stops no measurement. Results (foundation.results) that cannot be
written are no error while they are printed: at the end they are kept in a file, whole.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import sys

import click

from agent import saved_results
from foundation.results import measured_by
from foundation.text import language_of_environment


class ResilientStreams:
    """The two streams of this process, from its start to its end."""

    def __init__(self) -> None:
        self._out, self._err = _Output(1), _Progress(2)
        self._err.results = self._out

    def install(self) -> None:
        """Put them where the streams are that Python made, with the same encodings."""
        for name, raw in (("stdout", self._out), ("stderr", self._err)):
            stream = getattr(sys, name)
            if isinstance(stream, io.TextIOWrapper) and _is_of(stream, raw.fileno()):
                stream.flush()
                setattr(sys, name, _text_over(raw, stream))

    def announce_earlier(self) -> None:
        """Say once where the results of an earlier run lie that nobody could be told of."""
        paths = saved_results.unannounced()
        if paths and self._is_told(
            saved_results.announcement_later(paths).pick(language_of_environment())
        ):
            saved_results.clear_unannounced()

    def settle(self, code: int) -> int:
        """Keep the results if they could not be shown, and say where; the exit status."""
        with contextlib.suppress(OSError):  # that of a command which measured nothing was told
            sys.stdout.flush()
        command, error = measured_by(), self._out.error
        if command is None or error is None:
            return code
        if error.errno == errno.EPIPE and self._out.taken:
            end_as_other_tools_do()
        kept: saved_results.SavedResults | OSError
        try:
            kept = saved_results.keep(command, bytes(self._out.content))
        except OSError as failed:
            kept = failed
        told = self._is_told(saved_results.announcement_now(error, kept).message())
        if not told and isinstance(kept, saved_results.SavedResults):
            saved_results.mark_unannounced(kept)
        return code or 1

    def _is_told(self, sentence: str) -> bool:
        self._err.failed = False
        click.echo(f"isochrone: {sentence}", err=True)
        sys.stderr.flush()
        return not self._err.failed


def end_as_other_tools_do() -> None:
    """End by SIGPIPE, without a word: whoever reads (`| head`) has seen enough."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)


class _Raw(io.RawIOBase):
    """One file descriptor, written whole."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def _write_whole(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._number, data) :]
            except BlockingIOError:  # another program that has this terminal does not wait
                select.select([], [self._number], [])


class _Output(_Raw):
    """Standard output. From where results follow, what cannot be written is remembered."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.content = bytearray()  # all results, shown or not
        self.taken = False  # some of them were
        self.error: OSError | None = None

    def write(self, data: memoryview) -> int:  # type: ignore[override]  # what io hands over
        octets = memoryview(data).cast("B")
        if measured_by() is None:
            self._write_whole(octets)
            return len(octets)
        self.content += octets
        if self.error is None:
            try:
                self._write_whole(octets)
                self.taken = True
            except OSError as error:
                self.error = error
        return len(octets)


class _Progress(_Raw):
    """Standard error. What it cannot say of results is kept with them."""

    results: _Output
    failed = False

    def write(self, data: memoryview) -> int:  # type: ignore[override]  # what io hands over
        octets = memoryview(data).cast("B")
        try:
            self._write_whole(octets)
        except OSError:
            self.failed = True
            if measured_by() is not None:
                sys.stdout.flush()
                self.results.content += octets
        return len(octets)


def _is_of(stream: io.TextIOWrapper, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (OSError, ValueError):
        return False


def _text_over(raw: _Raw, like: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        raw if like.write_through else io.BufferedWriter(raw),  # type: ignore[arg-type]  # as -u
        encoding=like.encoding,
        errors=like.errors,
        line_buffering=like.line_buffering,
        write_through=like.write_through,
    )
