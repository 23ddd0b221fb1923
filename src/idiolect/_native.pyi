"""The native core: C++ behind a thin binding (native/bind.cpp)."""

def thread_count(asked: int = 0) -> int:
    """How many threads the core uses when asked for `asked`; 0: as many as this process may."""
