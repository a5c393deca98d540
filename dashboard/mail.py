"""Convert a message to an HTML document that runs no code and fetches nothing.

The dashboard sends a content security policy with the document, so the policy also applies if a
browser opens the document's URL directly. The policy's sandbox gives the document a unique origin
and permits no scripts, forms, pop-ups or refreshes.

Sources: CSP Level 3; HTML Living Standard, 7.6 "Sandboxing" and the `sandbox` directive.
"""

import html
import re

HTTP_HEADERS_OF_MAIL_DOCUMENT = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    # The policy does not stop DNS look-ups of hosts in the message. A look-up tells the sender that
    # the message was read.
    "X-DNS-Prefetch-Control": "off",
}
_PAGE = "<!doctype html><meta charset=utf-8><title>{title}</title>{content}"
_PLAIN = '<pre style="white-space: pre-wrap; font: inherit">{text}</pre>'
_NOTHING = "<p><em>This message has no text.</em></p>"
# Tags with effects that the policy does not cover. A space replaces each tag, so that the text on
# both sides of the tag forms no new tag. The policy also applies to a tag that this pattern misses.
_REACHES_OUT = re.compile(r"</?(?:link|meta|base)\b[^>]*>?", re.IGNORECASE)


def build_mail_document(subject: str, body_html: str | None, body_text: str | None) -> bytes:
    """Return an HTML document with the markup of a message, without the message's link, meta and
    base tags.

    A message without HTML is shown as plain text.
    """
    if body_html:
        content = _REACHES_OUT.sub(" ", body_html)
    elif body_text:
        content = _PLAIN.format(text=html.escape(body_text))
    else:
        content = _NOTHING
    return _PAGE.format(title=html.escape(subject), content=content).encode()
