"""Coverage-guided fuzzing of what ingest decodes: `python tests/controller/fuzz_ingest.py CORPUS`.

Needs `pip install atheris`; not part of the suite, which tries random damage with hypothesis. Input
is the msgpack inside the zstd frame, so that the fuzzer works on the contents; anything else than a
chunk or a RemoteProtocolError is a crash.
"""

import contextlib
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]  # installed by whoever fuzzes

with atheris.instrument_imports(include=["probes", "controller"]):
    import numpy as np

    from controller.store.rollup_blocks import (
        MAX_EXPANDED_BYTES,
        block_of,
        decode_block,
        encode_block,
    )
    from foundation.errors import RemoteProtocolError
    from messages.chunk import decode_chunk, encode_windows
    from messages.exchange import MAX_CHUNK_EXPANDED_BYTES
    from messages.frame import seal, unseal
    from probes.window import WindowBatch


def one(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(seal(data))
    with contextlib.suppress(RemoteProtocolError):
        decode_chunk(data)
    with contextlib.suppress(RemoteProtocolError):
        decode_block(seal(data), 0)


def seeds(corpus: Path) -> None:
    """Begin with a chunk and a block that are whole."""
    from bench.store_windows import full_windows

    corpus.mkdir(parents=True, exist_ok=True)
    batch: WindowBatch = full_windows(np.arange(1, 6, dtype=np.uint64), 0, np.random.default_rng(1))
    chunk = encode_windows(batch, agent="a", boot="00c0ffee", sequence=1, plan_version=1)
    (corpus / "chunk").write_bytes(unseal(chunk, MAX_CHUNK_EXPANDED_BYTES))
    (corpus / "block").write_bytes(unseal(encode_block(block_of([batch]), 0), MAX_EXPANDED_BYTES))


if __name__ == "__main__":
    seeds(Path(sys.argv[1]))
    atheris.Setup([sys.argv[0], "-max_len=4096", *sys.argv[1:]], one)
    atheris.Fuzz()
