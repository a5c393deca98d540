"""List the cost of each call of the Gmail API in quota units (Gmail API documentation, "Usage
limits").

The cost does not depend on the size of the response. A batch costs the sum of its calls.
"""

GET_PROFILE_COST = 1
LIST_LABELS_COST = 1
GET_LABEL_COST = 1
LIST_HISTORY_COST = 2
LIST_MESSAGES_COST = 5
GET_MESSAGE_COST = 20
GET_ATTACHMENT_COST = 20
GET_THREAD_COST = 40
