"""Serve the simulators' control API, `/_sim/…` on the Graph port: act as users and admins, and
inject faults.

Requests carry the control secret as a bearer token; without it the response is 401. `GET` reads
state. `DELETE` clears the request log or the faults. Every `POST` takes and returns one JSON
object. A 400 response says what is wrong.

A request names messages and folders by Graph's ids and well-known names, or by Gmail's ids. While
the IMAP server runs, a request may also use the names that IMAP has for messages and folders; see
`localdev.simulators.imap.owner`.
"""

import hmac
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import orjson

from localdev.http_server import Request, Response
from localdev.mail.item import MailItem, item_from_json
from localdev.simulators.behaviour import LATENCY_BY_NAME, Latency
from localdev.simulators.entra.server import EntraServer
from localdev.simulators.faults import FaultRule, FaultScript
from localdev.simulators.folders import FolderMoveRefused, FolderNotFound
from localdev.simulators.gmail.control import (
    build_gmail_control_api_actions,
    build_gmail_mailbox_actions,
    find_or_create_folder_number_of_label_id,
)
from localdev.simulators.gmail.control import find_message_number as number_of_gmail_message
from localdev.simulators.gmail.errors import GmailError
from localdev.simulators.gmail.server import GmailServer
from localdev.simulators.google.control import build_google_mailbox_actions
from localdev.simulators.google.server import GoogleIdentityServer
from localdev.simulators.graph.notifications import Notifier
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.owner import OutlookMailboxEditor
from localdev.simulators.imap.control import build_imap_control_api_actions
from localdev.simulators.imap.owner import find_folder_number, find_message_number_by_mailsync_id
from localdev.simulators.imap.server import ImapServer
from localdev.simulators.imap.store import ImapMailbox
from localdev.simulators.mailbox import Mailbox, MessageAlreadyPurged, MessageNotFound
from localdev.simulators.service import SharedSimulatorState, UserNotFound

CONTROL_PATH_PREFIX = "/_sim/"
_GMAIL_PREFIX = "gmail-"
_FOLDER_FIELDS = ("folder", "destination", "parent")
_ANSWERED_400 = (
    FolderMoveRefused,
    FolderNotFound,
    GmailError,
    MessageNotFound,
    MessageAlreadyPurged,
    UserNotFound,
    KeyError,
    TypeError,
    ValueError,
)
JsonObject = dict[str, Any]


class ControlApiHandler:
    """Handles requests to the control API `/_sim/`. A request's parameter `mailbox` is the address
    or the user id of a mailbox."""

    def __init__(
        self,
        service: SharedSimulatorState,
        entra: EntraServer,
        google: GoogleIdentityServer,
        notifier: Notifier,
        imap: ImapServer | None,
        *,
        gmail: GmailServer,
        secret: str,
    ) -> None:
        self._authorization = f"Bearer {secret}".encode()
        self._service = service
        self._consents = entra.consents
        self._notifier = notifier
        self._imap = imap
        self._gmail = gmail
        self._actions: dict[tuple[str, str], Callable[[JsonObject], Any]] = {
            ("GET", "state"): self._state,
            ("GET", "messages"): self._messages,
            ("GET", "requests"): lambda _: service.log.as_json(),
            ("GET", "subscriptions"): lambda _: notifier.list_active_subscriptions(),
            ("GET", "notifications"): lambda _: list(notifier.deliveries),
            ("DELETE", "requests"): lambda _: service.log.clear(),
            ("POST", "mailboxes"): self._add_mailbox,
            ("POST", "app-certificates"): lambda fields: entra.app_login.register_certificate(
                fields["pem"]
            ),
            ("POST", "switches"): self._set_behaviour,
            ("POST", "google-switches"): lambda fields: google.set_behaviour_switches(**fields),
            ("POST", "latency"): self._set_latency,
            ("POST", "faults"): lambda fields: _add_faults(service.faults, fields),
            ("DELETE", "faults"): lambda _: service.faults.remove_all_rules(),
            ("POST", "token-faults"): lambda fields: _add_faults(service.token_faults, fields),
            ("DELETE", "token-faults"): lambda _: service.token_faults.remove_all_rules(),
            **(build_imap_control_api_actions(imap) if imap else {}),
            **build_gmail_control_api_actions(gmail),
        }
        self._mailbox_actions: dict[str, Callable[..., Any]] = {
            **MAILBOX_ACTION_FUNCTION_BY_NAME,
            **build_gmail_mailbox_actions(gmail, mail_item_from_json),
            **build_google_mailbox_actions(google),
            "revoke": self._revoke,
            "expire-refresh-tokens": self._expire_refresh_tokens,
            "lifecycle": self._send_lifecycle_event,
            "expire-subscriptions": self._expire_subscriptions,
        }

    def __call__(self, request: Request) -> Response:
        name = request.path.removeprefix(CONTROL_PATH_PREFIX)
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            sentence = "the control secret is missing: the simulators say it when they are ready"
            return _json(401, {"error": "Unauthorized", "message": sentence})
        arguments = dict(parse_qsl(request.query_string))
        try:
            arguments |= orjson.loads(request.body) if request.body else {}
            action = self._actions.get((request.method, name))
            if action:
                return _json(200, action(arguments))
            if request.method == "POST" and name in self._mailbox_actions:
                mailbox = self._service.find_mailbox(arguments.pop("mailbox"))
                fields = arguments
                if not name.startswith(_GMAIL_PREFIX):
                    fields = self._with_graph_ids(mailbox, arguments)
                result = self._mailbox_actions[name](mailbox, **fields)
                return _json(200, {"id": result} if isinstance(result, str) else result)
        except _ANSWERED_400 as refusal:
            return _json(400, {"error": type(refusal).__name__, "message": str(refusal)})
        return _json(404, {"error": "NotFound", "message": f"no action {request.method} {name}"})

    def _with_graph_ids(self, mailbox: Mailbox, fields: JsonObject) -> JsonObject:
        """Return the fields with Graph's ids in the place of IMAP's and Gmail's. Other values are
        kept."""
        ids, found = OutlookMailbox(mailbox).ids, {}
        for name, value in fields.items():
            if name == "id" and (number := self._number_of_message(mailbox, str(value))):
                found[name] = ids.make_immutable_message_id(number)
            elif name in _FOLDER_FIELDS and (number := self._number_of_folder(mailbox, str(value))):
                found[name] = ids.make_folder_id(number)
        return fields | found

    def _number_of_message(self, mailbox: Mailbox, text: str) -> int | None:
        presented = self._imap and ImapMailbox(mailbox, self._imap.options_for_mailbox(mailbox))
        number = find_message_number_by_mailsync_id(presented, text) if presented else None
        return number or number_of_gmail_message(self._gmail, mailbox, text)

    def _number_of_folder(self, mailbox: Mailbox, text: str) -> int | None:
        presented = self._imap and ImapMailbox(mailbox, self._imap.options_for_mailbox(mailbox))
        number = find_folder_number(presented, text) if presented else None
        return number or find_or_create_folder_number_of_label_id(self._gmail, mailbox, text)

    def _revoke(self, mailbox: Mailbox, **number: int) -> JsonObject:
        return {"revoked": self._consents.revoke_consents_of_user(mailbox.user_id, **number)}

    def _expire_refresh_tokens(self, mailbox: Mailbox) -> JsonObject:
        return {"expired": self._consents.expire_refresh_tokens(mailbox.user_id)}

    def _send_lifecycle_event(self, mailbox: Mailbox, event: str) -> JsonObject:
        return {"told": self._notifier.send_lifecycle_event(mailbox.user_id, event)}

    def _expire_subscriptions(self, mailbox: Mailbox) -> JsonObject:
        return {"expired": self._notifier.make_subscriptions_expire_now(mailbox.user_id)}

    def _state(self, _: JsonObject) -> JsonObject:
        """Return every mailbox with its folders and their counts, the switches of
        MicrosoftBehaviour, and the latency."""
        return {
            "mailboxes": [
                {
                    "id": mailbox.user_id,
                    "address": mailbox.address,
                    "folders": [
                        asdict(each) for each in OutlookMailbox(mailbox).folders.list_all_folders()
                    ],
                }
                for mailbox in self._service.list_mailboxes()
            ],
            "switches": asdict(self._service.behaviour),
            "latency": asdict(self._service.latency),
        }

    def _messages(self, arguments: JsonObject) -> list[JsonObject]:
        """Return all messages of a `folder` of a `mailbox`, newest first."""
        mailbox = self._service.find_mailbox(arguments["mailbox"])
        folder = self._with_graph_ids(mailbox, arguments)["folder"]
        return [
            asdict(message) for message in OutlookMailbox(mailbox).list_messages_in_folder(folder)
        ]

    def _add_mailbox(self, arguments: JsonObject) -> JsonObject:
        return {"id": self._service.find_or_create_mailbox(**arguments).user_id}

    def _set_behaviour(self, arguments: JsonObject) -> JsonObject:
        self._service.set_microsoft_behaviour_switches(**arguments)
        return asdict(self._service.behaviour)

    def _set_latency(self, arguments: JsonObject) -> JsonObject:
        """Set the latency: `{"model": "real"}`, or the seconds of `Latency` by name."""
        model = arguments.pop("model", None)
        self._service.latency = LATENCY_BY_NAME[model] if model else Latency(**arguments)
        return asdict(self._service.latency)


def _add_faults(script: FaultScript, arguments: JsonObject) -> JsonObject:
    rules = [FaultRule.from_json(rule) for rule in arguments["rules"]]
    script.add_rules(*rules)
    return {"rules": len(rules)}


def mail_item_from_json(fields: JsonObject) -> MailItem:
    """Read a mail from JSON with the fields of `MailItem`, ISO times and `{name, address}` objects.

    Only the subject is required; a mail without a Message-ID gets one, as mail servers do. Raises
    TypeError for unknown fields.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    received_at = fields.get("received_at", now)
    message_id = {"internet_message_id": f"<{uuid4()}@simulator.example>"}
    times = {"received_at": now, "sent_at": received_at}
    return item_from_json({"body": "", **times, **message_id, **fields})


def _deliver(mailbox: Mailbox, *, folder: str = "inbox", **fields: Any) -> str:
    owner = OutlookMailboxEditor(mailbox)
    return owner.graph_id_of_message(
        mailbox.deliver_message(mail_item_from_json(fields), owner.find_folder_number(folder))
    )


def _copy(mailbox: Mailbox, *, id: str, destination: str) -> str:
    owner = OutlookMailboxEditor(mailbox)
    return owner.graph_id_of_message(
        mailbox.copy_message(owner.find_message_number(id), owner.find_folder_number(destination))
    )


def _renew(mailbox: Mailbox, *, id: str) -> str:
    owner = OutlookMailboxEditor(mailbox)
    return owner.graph_id_of_message(
        mailbox.replace_message_by_copy_with_new_id(owner.find_message_number(id))
    )


def _send(mailbox: Mailbox, *, id: str) -> str:
    owner = OutlookMailboxEditor(mailbox)
    number = owner.find_message_number(id)
    mailbox.send_draft(number)
    return owner.graph_id_of_message(number)


def _move_folder(mailbox: Mailbox, *, folder: str, parent: str) -> None:
    owner = OutlookMailboxEditor(mailbox)
    mailbox.folders.move_folder(
        owner.find_folder_number(folder), owner.find_folder_number(parent) or None
    )


def _to_message(action: Callable[[Mailbox, int], None]) -> Callable[..., None]:
    return lambda mailbox, *, id: action(
        mailbox, OutlookMailboxEditor(mailbox).find_message_number(id)
    )


def _to_folder(action: Callable[[Mailbox, int], None]) -> Callable[..., None]:
    return lambda mailbox, *, folder: action(
        mailbox, OutlookMailboxEditor(mailbox).find_folder_number(folder)
    )


MAILBOX_ACTION_FUNCTION_BY_NAME: dict[str, Callable[..., str | JsonObject | None]] = {
    "deliver": _deliver,
    "update": lambda mailbox, *, id, changes: OutlookMailboxEditor(mailbox).update_message(
        id, changes
    ),
    "mark-read": _to_message(Mailbox.set_message_read),
    "move": lambda mailbox, *, id, destination: OutlookMailboxEditor(mailbox).move_message(
        id, destination
    ),
    "restore": lambda mailbox, *, id, destination="inbox": OutlookMailboxEditor(
        mailbox
    ).move_message(id, destination),
    "copy": _copy,
    "delete": _to_message(Mailbox.move_message_to_trash_or_retained),
    "delete-permanently": _to_message(Mailbox.move_message_to_purged_folder),
    "purge": _to_message(Mailbox.delete_message_from_database),
    "send-draft": _send,
    "renew-immutable-id": _renew,
    "create-folder": lambda mailbox, **fields: OutlookMailboxEditor(mailbox).create_folder(
        **fields
    ),
    "rename-folder": lambda mailbox, *, folder, name: mailbox.rename_folder(
        OutlookMailboxEditor(mailbox).find_folder_number(folder), name
    ),
    "move-folder": _move_folder,
    "delete-folder": _to_folder(Mailbox.move_folder_to_trash),
    "purge-folder": _to_folder(Mailbox.delete_folder_from_database),
    "recreate-mailbox": lambda mailbox: OutlookMailboxEditor(mailbox).recreate_empty_mailbox(),
    "expire-delta-links": lambda mailbox, *, folder=None: OutlookMailboxEditor(
        mailbox
    ).expire_delta_links(folder),
}


def _json(status: int, document: Any) -> Response:
    content = orjson.dumps({} if document is None else document)
    return Response(status, content, {"Content-Type": "application/json"})
