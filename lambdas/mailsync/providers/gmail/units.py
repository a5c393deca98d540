"""List what calls of the Gmail API cost in quota units (Gmail API documentation, "Usage limits").

A call costs the same whatever it returns. A batch of calls costs as much as the calls alone.
"""

GET_PROFILE = 1
LIST_LABELS = 1
GET_LABEL = 1
LIST_HISTORY = 2
LIST_MESSAGES = 5
GET_MESSAGE = 20
GET_ATTACHMENT = 20
GET_THREAD = 40
