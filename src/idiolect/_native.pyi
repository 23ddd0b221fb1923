"""The native core: C++ behind a thin binding (native/bind.cpp)."""

def thread_count(asked: int = 0) -> int:
    """How many threads the core uses when asked for `asked`; 0: as many as this process may."""

# unicode, split

def character_classes(text: bytes) -> bytes:
    """The class of each character of UTF-8 text, one byte for each, as native/unicode.hpp numbers them."""

def split_words(pattern: str, text: bytes) -> list[bytes]:
    """The words of UTF-8 text, cut by the pattern of this name; put together they are the text.

    Any bytes will do: one that belongs to no valid UTF-8 counts as a character of no class.

    Raises:
        ValueError: there is no pattern of this name.
    """
