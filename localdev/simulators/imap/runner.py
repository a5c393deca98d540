"""Run the commands of one IMAP connection, and inject faults into the responses."""

from collections.abc import Iterator, Mapping

from localdev.simulators.faults import DEFAULT_FAULT_CODE, Fault
from localdev.simulators.imap.command import BadCommand, Command
from localdev.simulators.imap.commands_session import STARTTLS_OK_ALREADY_SENT_SENTINEL
from localdev.simulators.imap.corruption import corrupt_responses
from localdev.simulators.imap.response import (
    CommandRejectedError,
    FetchResponse,
    SessionEndedWithBye,
    UntaggedResponse,
)
from localdev.simulators.imap.session import CommandHandler, Session
from localdev.simulators.imap.wire import ConnectionClosed

GREETING_COMMAND_NAME_IN_FAULTS = "GREETING"
"""The command name with which a fault rule matches the server's greeting."""


def run_session(session: Session, handlers: Mapping[str, CommandHandler], greeting: str) -> None:
    """Serve the client until it disconnects or logs out.

    greeting: text of the server's first response, without `* OK `.
    """
    wire = session.wire
    try:
        fault = session.backend.take_fault_for_command(GREETING_COMMAND_NAME_IN_FAULTS, "")
        _interrupt(session, fault)
        reply = _reply_of_fault(fault) if fault else None
        wire.write_line(f"* {reply or f'OK {greeting}'}".encode())
        wire.flush()
        is_over = reply is not None and reply.startswith("BYE")
        while not is_over:
            is_over = _serve_next(session, handlers)
    except ConnectionClosed:
        pass
    finally:
        wire.close()


def _serve_next(session: Session, handlers: Mapping[str, CommandHandler]) -> bool:
    """Read and run a command; return whether the connection ends after the command."""
    wire = session.wire
    try:
        command = wire.read_command()
    except BadCommand as bad:
        wire.write_line(f"{bad.args[1]} BAD {bad.args[0]}".encode("utf-8", "replace"))
        wire.flush()
        return False
    folder = session.selected.folder.name if session.selected else ""
    fault = session.backend.take_fault_for_command(
        command.verb, f"{folder} {command.verb} {command.arguments_text}"
    )
    _interrupt(session, fault)
    reply = _reply_of_fault(fault) if fault else None
    if reply is None:
        reply = _run(session, command, handlers, fault)
    if reply == STARTTLS_OK_ALREADY_SENT_SENTINEL:
        return False
    session.backend.record_command(session.number, command, folder, reply.split(" ")[0])
    is_bye = reply.startswith("BYE")
    wire.write_line(f"{'*' if is_bye else command.tag} {reply}".encode("utf-8", "replace"))
    wire.flush()
    return is_bye or (command.verb == "LOGOUT" and reply.startswith("OK"))


def _run(
    session: Session, command: Command, handlers: Mapping[str, CommandHandler], fault: Fault | None
) -> str:
    """Run a command and write its untagged responses; return the tagged response without tag."""
    handler = handlers.get(command.verb)
    if handler is None:
        return "BAD Error in IMAP command: unknown command."
    completion = [f"{command.verb.capitalize()} completed."]
    responses = _untagged(handler(session, command), completion)
    bodies = others = 0
    try:
        for response in corrupt_responses(responses, fault) if fault else responses:
            is_body = isinstance(response, FetchResponse) and response.has_body
            bodies, others = bodies + is_body, others + (not is_body)
            _write(session, response, fault)
        if fault and fault.cut == "mid body":
            raise ConnectionClosed
        session.backend.sleep_unless_stopped(
            session.backend.compute_response_latency_s(bodies, others)
        )
        return (
            STARTTLS_OK_ALREADY_SENT_SENTINEL
            if completion[-1] == STARTTLS_OK_ALREADY_SENT_SENTINEL
            else f"OK {completion[-1]}"
        )
    except BadCommand as bad:
        return f"BAD {bad.args[0]}"
    except CommandRejectedError as rejected:
        return f"NO {f'[{rejected.code}] ' if rejected.code else ''}{rejected}"
    except SessionEndedWithBye as bye:
        return f"BYE {bye}"


def _untagged(
    produced: Iterator[UntaggedResponse | str], completion: list[str]
) -> Iterator[UntaggedResponse]:
    """Yield the responses; append the text of the tagged OK to `completion`."""
    for each in produced:
        if isinstance(each, str):
            completion.append(each)
        else:
            yield each


def _write(session: Session, response: UntaggedResponse, fault: Fault | None) -> None:
    line = b"* " + response.render()
    if fault and fault.cut == "mid body" and len(line) > 1:
        literal = line.find(b"}\r\n")
        if literal >= 0 or not isinstance(response, FetchResponse):
            session.wire.send_partial_line(
                line[: max(literal, 0) + (len(line) - max(literal, 0)) // 2]
            )
            raise ConnectionClosed
    session.wire.write_line(line)


def _interrupt(session: Session, fault: Fault | None) -> None:
    """Inject the delay of a fault, or a cut before the response. Raises ConnectionClosed for a
    cut."""
    if fault is None:
        return
    session.backend.sleep_unless_stopped(fault.delay_s)
    if fault.cut == "before answer":
        raise ConnectionClosed


def _reply_of_fault(fault: Fault) -> str | None:
    """Return the response, without tag, that a fault puts in place of the right response. Return
    None if the fault replaces no response."""
    if fault.imap is None:
        return None
    code = f"[{fault.code}] " if fault.code != DEFAULT_FAULT_CODE else ""
    return f"{fault.imap} {code}{fault.message or 'The simulator injects a fault.'}"
