"""What differs between stages: the `stages` of cdk.json, parsed once into a frozen type."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from infra.catalog import FUNCTIONS

# Scheme, host and port; no `*`, which browsers refuse where cookies are sent, as with a sign-in.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
ARCHITECTURES = ("arm64", "x86_64")
DATABASES = ("external", "aurora")
ANY_AUDIENCE = "*"
LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """One stage.

    architecture          of the functions: arm64 or x86_64 (`sam local invoke` on a PC wants this)
    schedule_enabled      whether due mailboxes start by themselves
    log_retention         a member of CDK's RetentionDays, such as ONE_MONTH
    log_level             of the functions: DEBUG, INFO, WARN or ERROR
    settings_version      any text; functions read the settings secret when they start, and a
                          change of this text starts all of them anew
    alarm_email           who is told of alarms, by a topic of the stack's own; or else
    alarm_topic_arn       an SNS topic that exists; None of both: alarms are only seen
    database              "external", a Postgres that you bring, or "aurora", one of the stage's own
    aurora_min_acu        what Aurora Serverless may shrink and grow to, in capacity units of some
    aurora_max_acu        2 GiB each, by halves from 0.5 to 256
    app_inbox_url         where a person lands after connecting a mailbox
    graph_url             Microsoft Graph with its version, and
    microsoft_authority   the identity platform with its tenant; national clouds have their own
    microsoft_tenants     ids of organisations whose mailboxes administrators may connect
    jwt_jwks_url          where the issuer of the application's JWT publishes its keys; None: the
                          application signs with the JWT_SECRET of the settings secret
    jwt_audience          whom that JWT must be meant for, several with commas; with jwt_jwks_url it
                          must be set, to "*" if every client of that issuer may call the API
    jwt_issuer            who must have issued it; None of both: not checked
    confirm_connections   whether a mailbox that was signed in to waits until its user confirms it
                          with the JWT; recommended where hosts beside the API are not all trusted
    log_source_ip         whether audit records name the IP address of the request
    public_url            the API's address if it has its own domain; None: the one AWS gives
    api_limits            calls of a user in an hour, such as "sync=120,connect=30" (docs/api.md)
    cors_origins          whose pages may use the API from a browser, as https://app.example.com
    reserved_concurrency  executions set aside per function, by its name in the catalog
    """

    name: str
    app_inbox_url: str
    database: str = "external"
    aurora_min_acu: float = 0.5
    aurora_max_acu: float = 8
    architecture: str = "arm64"
    schedule_enabled: bool = True
    log_retention: str = "ONE_MONTH"
    log_level: str = "INFO"
    settings_version: str = "1"
    alarm_email: str | None = None
    alarm_topic_arn: str | None = None
    graph_url: str = "https://graph.microsoft.com/v1.0"
    microsoft_authority: str = "https://login.microsoftonline.com/common"
    jwt_jwks_url: str | None = None
    microsoft_tenants: str | None = None
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    confirm_connections: bool = False
    log_source_ip: bool = True
    public_url: str | None = None
    api_limits: str | None = None
    cors_origins: Sequence[str] = ()
    reserved_concurrency: Mapping[str, int] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The stage's name among metrics; the functions are told it."""
        return f"mailsync-{self.name}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the stage may say and its operator should know; `make synth` prints it."""
        found = (
            (
                self.jwt_jwks_url is not None and self.jwt_audience == ANY_AUDIENCE,
                f'jwt_audience is "{ANY_AUDIENCE}": a token that the issuer of jwt_jwks_url made'
                " for any of its clients is let in",
            ),
            (
                self.log_level in ("WARN", "ERROR"),
                f"log_level {self.log_level} drops the audit records of docs/security.md",
            ),
        )
        return tuple(f"Stage {self.name!r}: {sentence}." for holds, sentence in found if holds)

    @classmethod
    def from_context(cls, name: str, stages: Mapping[str, Mapping[str, Any]]) -> "StageSettings":
        """The stage of that name.

        Raises:
            ValueError: there is no such stage, or it says something that no stage can say.
        """
        if name not in stages:
            raise ValueError(f"Stage {name!r} is not in cdk.json; it has {sorted(stages)}.")
        unknown = stages[name].keys() - {each.name for each in fields(cls)}
        if unknown:
            raise ValueError(f"Stage {name!r} has unknown settings: {sorted(unknown)}.")
        stage = cls(name=name, **stages[name])
        for broken in _broken(stage):
            raise ValueError(f"Stage {name!r}: {broken}.")
        return stage


def _broken(stage: StageSettings) -> Iterator[str]:
    """What no stage can mean, in words."""
    wrong = [each for each in stage.cors_origins if not _ORIGIN.fullmatch(each)]
    nowhere = stage.reserved_concurrency.keys() - {each.name for each in FUNCTIONS}
    rules = (
        (stage.architecture in ARCHITECTURES, f"architecture must be one of {ARCHITECTURES}"),
        (stage.database in DATABASES, f"database must be one of {DATABASES}"),
        (
            _is_capacity(stage.aurora_min_acu, stage.aurora_max_acu),
            "aurora_min_acu and aurora_max_acu go by halves from 0.5 to 256",
        ),
        (stage.log_level in LOG_LEVELS, f"log_level must be one of {LOG_LEVELS}"),
        (
            not (stage.alarm_email and stage.alarm_topic_arn),
            "give alarm_email or alarm_topic_arn, not both",
        ),
        (
            stage.jwt_jwks_url is None or bool(_audiences(stage)),
            "jwt_jwks_url needs jwt_audience: the issuer signs for all of its clients with the same"
            f' keys; "{ANY_AUDIENCE}" lets in every one of them',
        ),
        (
            ANY_AUDIENCE not in _audiences(stage) or len(_audiences(stage)) == 1,
            f'jwt_audience is "{ANY_AUDIENCE}" alone, or names audiences without it',
        ),
        (
            all(type(each) is bool for each in (stage.confirm_connections, stage.log_source_ip)),
            "confirm_connections and log_source_ip are true or false",
        ),
        (not wrong, f"cors_origins must be origins, not {wrong}"),
        (not nowhere, f"reserved_concurrency names unknown functions: {sorted(nowhere)}"),
    )
    return (sentence for kept, sentence in rules if not kept)


def _audiences(stage: StageSettings) -> list[str]:
    return [each.strip() for each in (stage.jwt_audience or "").split(",") if each.strip()]


def _is_capacity(least: float, most: float) -> bool:
    """0, with which AWS may stop the database, is none: something asks it every minute."""
    return 0.5 <= least <= most <= 256 and all(2 * each == int(2 * each) for each in (least, most))
