"""Text as Postgres and UTF-8 can hold it.

A name or a text that cannot be stored as it is compares equal to its row only in this form.
"""


def storable(text: str) -> str:
    """Drop NUL characters, and replace each lone surrogate by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )
