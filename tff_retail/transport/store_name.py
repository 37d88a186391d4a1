"""What a store may be called: any printable words of any language that can name a file."""

import unicodedata

# In a table of `fleet list` more can't be read.
_MAX_CHARACTERS = 64
# File systems take 255 bytes, and `.json` comes behind.
_MAX_BYTES = 200
_FORBIDDEN = frozenset("/\\")


def checked_store_name(name: str) -> str:
    """`name`, its accents in composed form so that one name is spelled in one way.

    Raises:
      ValueError: it breaks a rule; the message is `RULE, found NAME`.
    """
    composed = unicodedata.normalize("NFC", name)
    flaw = _flaw(composed)
    if flaw:
        raise ValueError(f"a store's name must {flaw}, found {name[:100]!r}")
    return composed


def _flaw(name: str) -> str:
    if not 1 <= len(name) <= _MAX_CHARACTERS or _byte_length(name) > _MAX_BYTES:
        return f"have 1 to {_MAX_CHARACTERS} characters and at most {_MAX_BYTES} bytes in UTF-8"
    if not name.isprintable() or _FORBIDDEN & set(name):
        return "have no control characters and no / or \\"
    if name != name.strip() or name.startswith("."):
        return "begin with no dot, and neither begin nor end with a space"
    return ""


def _byte_length(name: str) -> int:
    # A lone surrogate, from an argument that is no UTF-8, is not printable and refused later.
    return len(name.encode("utf-8", "surrogatepass"))
