"""List the cost of each call of the Gmail API in quota units (Gmail API documentation, "Usage
limits").

The cost does not depend on the size of the response. A batch costs the sum of its calls.
"""

GET_PROFILE = 1
LIST_LABELS = 1
GET_LABEL = 1
LIST_HISTORY = 2
LIST_MESSAGES = 5
GET_MESSAGE = 20
GET_ATTACHMENT = 20
GET_THREAD = 40
