"""A stream that remembers what went through it, so that it can be searched afterwards."""

from __future__ import annotations

import io
from typing import TextIO


class Copied(io.StringIO):
    """Writes on to ``stream``; its value is everything that was written."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding, which decides what can be drawn."""
        return self._stream.encoding

    def write(self, text: str) -> int:
        """Write ``text`` to both."""
        super().write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return self._stream.isatty()
