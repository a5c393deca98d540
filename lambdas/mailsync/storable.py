"""Text in the form in which Postgres and UTF-8 can store it.

Texts must be compared in this form with their rows.
"""


def storable(text: str) -> str:
    """Drop NUL characters, and replace each lone surrogate by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )
