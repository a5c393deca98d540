"""Report how the user's own mail was loaded, from the simulators' process to its parent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localdev.mail.load import MailFileProblemDescription

MAX_EXAMPLE_PROBLEMS = 5  # of each kind; the log has all


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLoadingReport:
    """The result of loading the user's own mail: the number of messages, and how many had problems.

    skipped_examples: descriptions of the first messages that were not loaded.
    malformed_examples: descriptions of the first messages that were loaded although they are
        malformed.
    """

    loaded_count: int
    skipped_count: int
    skipped_examples: tuple[str, ...]
    malformed_count: int
    malformed_examples: tuple[str, ...]

    @classmethod
    def from_loaded_count_and_problems(
        cls,
        stored: int,
        problems: Sequence[MailFileProblemDescription],
        oddities: Sequence[MailFileProblemDescription],
    ) -> "MailLoadingReport":
        return cls(
            loaded_count=stored,
            skipped_count=len(problems),
            skipped_examples=tuple(map(str, problems[:MAX_EXAMPLE_PROBLEMS])),
            malformed_count=len(oddities),
            malformed_examples=tuple(map(str, oddities[:MAX_EXAMPLE_PROBLEMS])),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MailLoadingReport":
        lists = {name: tuple(values[name]) for name in ("skipped_examples", "malformed_examples")}
        return cls(**{**values, **lists})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def build_no_messages_found_sentence(self, path: Path) -> str:
        """Return a sentence that says that no message was found at the path."""
        cause = self.skipped_examples[0] if self.skipped_examples else "it is an empty folder"
        return (
            f"0 messages found in {path} ({cause}); give an mbox file, a Maildir, a folder of .eml"
            " files or a single message."
        )

    def terminal_lines(self, path: Path, log: Path) -> Iterator[str]:
        """Yield lines for the terminal: the number of messages, and examples of problems."""
        messages = "message" if self.loaded_count == 1 else "messages"
        yield f"Loaded {self.loaded_count:,} {messages} of {path} into the simulated mailbox."
        for count, examples, what in (
            (self.skipped_count, self.skipped_examples, "not loaded"),
            (self.malformed_count, self.malformed_examples, "loaded and odd"),
        ):
            for example in examples:
                yield f"  {what}: {example}"
            if count > len(examples):
                yield f"  {what}: {count - len(examples):,} more, named in {log}"
