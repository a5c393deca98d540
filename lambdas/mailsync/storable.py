"""Convert text to a form that both Postgres and UTF-8 can store.

Convert a text before comparing it with a stored row; the row contains the converted form.
"""


def to_storable_text(text: str) -> str:
    """Return the text without NUL characters and with U+FFFD for each lone surrogate."""
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )
