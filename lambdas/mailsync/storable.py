"""Convert text to a form that both Postgres and UTF-8 can store.

Convert a text before comparing it with a stored row; the row contains the converted form.
"""


def to_storable_text(text: str) -> str:
    """Return the text without NUL characters and with U+FFFD for each lone surrogate."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()  # takes a fifth of the time of the conversion below
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
