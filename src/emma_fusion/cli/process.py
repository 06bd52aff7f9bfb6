"""Settings of the process that is the command line's own; a library call changes none of them."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import platform
import sys

# Of glibc's mallopt: the size from which a block is a mapping of its own, which is given back at
# once (whole planes of very large images are to be), and the free memory at the end of the heap
# that is kept; then what sets them from outside.
_MMAP_THRESHOLD, _MAPPED = -3, 2**28
_TRIM_THRESHOLD, _KEPT = -1, 2**31 - 1
TUNED = ("MALLOC_", "GLIBC_TUNABLES")


def set_up_process() -> None:
    """To be called once, before the work begins.

    Memory is kept, decoders say nothing, and what the package logs is printed.
    """
    keep_freed_memory()
    print_log()
    # A name may hold bytes that are no text, or letters that the terminal has not.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # What is wrong with a file is said in a sentence, and not by what decodes it too.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")


def print_log() -> None:
    """Prints what the package tells a host's log, such as a runtime that is not used, to stderr."""
    log = logging.getLogger("emma_fusion")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)
    log.propagate = False


def keep_freed_memory() -> None:
    """Lets the memory of freed feature maps be used again at once, from here on in this process.

    The C library of Linux (glibc) gives large blocks back to the system when they are freed, and
    asking for them anew costs more time than computing what goes into them. Where the environment
    sets what it keeps (MALLOC_..., GLIBC_TUNABLES), and with other libraries, nothing changes.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(TUNED) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _MAPPED)
    mallopt(_TRIM_THRESHOLD, _KEPT)
