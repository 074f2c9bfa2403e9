"""nftables, spoken to through its own library.

One call carries one text of any number of commands and is one transaction: the kernel takes all of it or
nothing, so packets never meet half a rule set. The library is loaded by name from the operating system and
needs four of its functions; starting the `nft` program instead would cost a process for each change.

The connection to the kernel belongs to the namespace in which it is opened, therefore each call opens its
own.
"""

import ctypes
import functools
import json

from monostack.node.errors import Broken

LIBRARY = "libnftables.so.1"
OUTPUT_JSON, OUTPUT_TERSE = 1 << 4, 1 << 11


class Refused(Exception):
    """The kernel or the library did not take the commands; nothing of them was done."""


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise Broken(f"Security groups and routers need nftables ({LIBRARY}); install 'nftables'.") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    return library


def available() -> bool:
    try:
        _library()
    except Broken:
        return False
    return True


def run(text: str, flags: int = 0) -> str:
    """Carry out the commands as one transaction in this thread's namespace; answers what they print."""
    library = _library()
    context = library.nft_ctx_new(0)
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_output_set_flags(context, flags)
        result = library.nft_run_cmd_from_buffer(context, text.encode())
        if result != 0:
            raise Refused((library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace").strip())
        return (library.nft_ctx_get_output_buffer(context) or b"").decode()
    finally:
        library.nft_ctx_free(context)


def listing(what: str, terse: bool = False) -> list[dict]:
    """What a `list` command shows, as objects; nothing when that table does not exist."""
    try:
        text = run(f"list {what}", OUTPUT_JSON | (OUTPUT_TERSE if terse else 0))
    except Refused as refusal:
        if "No such file or directory" in str(refusal):
            return []
        raise
    return json.loads(text)["nftables"] if text else []
