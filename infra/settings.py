"""Read the settings of a stage from `stages` in cdk.json or from a settings file, and validate
them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from infra.catalog import FUNCTIONS
from infra.setting_formats import find_format_violations
from mailsync.providers.imap.servers import ImapSettings
from mailsync.registry import implemented_providers

_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
_ZONE_ID = re.compile(r"[a-z]+[0-9]-az[0-9]+")
AZS_WITHOUT_RDS_PROXY = frozenset({"use1-az3", "usw1-az2"})
"""Ids of the availability zones without RDS Proxy (Amazon Aurora User Guide, "Quotas and
limitations for RDS Proxy"). AWS omits the subnet of such a zone from a proxy without an error, and
rejects a proxy that keeps only one subnet."""
MIN_AZ_COUNT = 3
"""The lowest number of availability zones of a network: one of three may fail or lack a service."""
ARCHITECTURES = ("arm64", "x86_64")
DATABASE_KINDS = ("external", "aurora")
SETTINGS_FILE_TOP_LEVEL_KEYS = ("stage", "secrets")
ANY_JWT_AUDIENCE = "*"
LOG_LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """The settings of one stage.

    app_inbox_url: URL of the application's inbox; target of the redirect after a sign-in.
    database: "external" if the operator provides the database, "aurora" if the stage creates one.
    aurora_min_acu, aurora_max_acu: capacity limits of Aurora Serverless, in units of about 2 GiB,
        multiples of 0.5 from 0.5 to 256.
    aurora_zone_ids: ids of at least three availability zones for the database and the functions,
        such as euw1-az1. Empty: three zones of the region. Cannot be changed once deployed.
    architecture: "arm64" or "x86_64" of the functions; `sam local invoke` on a PC needs x86_64.
    schedule_enabled: whether the schedules run, so that due mailboxes are synced.
    log_retention: a member of CDK's RetentionDays, such as ONE_MONTH.
    log_level: DEBUG, INFO, WARN or ERROR.
    settings_version: any text. Functions read the secrets only when they start. A change of this
        text restarts all functions, so that they read changed secrets.
    alarm_email: address that gets alarm notifications from a new SNS topic.
    alarm_topic_arn: existing SNS topic that gets alarm notifications, instead of alarm_email.
    single_secret: whether the stage has the secret in which earlier releases kept all passwords and
        keys ("the single secret"). Functions prefer its values to those of the newer secrets.
    microsoft_client_id: client id of the app registration in Microsoft Entra. None: the single
        secret contains the id, or the stage syncs no mailboxes of Microsoft 365.
    google_client_id: id of the OAuth client at Google. None: the stage syncs no mailboxes of Gmail.
    google_pubsub_topic, google_push_service_account, google_push_audience: Pub/Sub topic of Gmail's
        notifications, and how Pub/Sub authenticates (docs/deploy.md). None: no notifications.
    gmail_units_per_minute, gmail_project_units_per_minute: quotas of the Google project, for one
        mailbox and for all mailboxes (docs/deploy.md). None: the quotas of a new project.
    imap_servers: mail servers of mailboxes over IMAP (docs/imap.md). None: no such mailboxes.
    graph_url: URL of Microsoft Graph with its version; national clouds have other URLs.
    microsoft_authority: URL of the identity platform with its tenant.
    microsoft_tenants: ids, with commas, of the tenants whose mailboxes administrators may connect.
    jwt_jwks_url: URL of the keys that verify the application's JWT. None: JWT_SECRET verifies it.
    jwt_audience: accepted `aud` claims of the JWT, separated by commas; "*" accepts any. Required
        with jwt_jwks_url. None: the claim is not checked.
    jwt_issuer: required `iss` claim of the JWT. None: the claim is not checked.
    confirm_connections: whether a user must confirm a mailbox after the sign-in (docs/security.md).
    log_source_ip: whether audit records contain the IP address of the request.
    public_url: URL of the API at a domain that the operator routes to the API.
    domain_name: custom domain name of the API, which the stage creates in API Gateway.
    certificate_arn: certificate for domain_name, in the region of the stage.
    api_limits: calls of a user in an hour, such as "sync=120,connect=30" (docs/api.md).
    cors_origins: origins whose pages can call the API, such as https://app.example.com.
    reserved_concurrency: reserved concurrency of functions, by their name in the catalog.
    """

    name: str
    app_inbox_url: str
    database: str = "external"
    aurora_min_acu: float = 0.5
    aurora_max_acu: float = 8
    aurora_zone_ids: Sequence[str] = ()
    architecture: str = "arm64"
    schedule_enabled: bool = True
    log_retention: str = "ONE_MONTH"
    log_level: str = "INFO"
    settings_version: str = "1"
    alarm_email: str | None = None
    alarm_topic_arn: str | None = None
    single_secret: bool = True
    microsoft_client_id: str | None = None
    google_client_id: str | None = None
    google_pubsub_topic: str | None = None
    google_push_service_account: str | None = None
    google_push_audience: str | None = None
    gmail_units_per_minute: int | None = None
    gmail_project_units_per_minute: int | None = None
    imap_servers: str | None = None
    graph_url: str = "https://graph.microsoft.com/v1.0"
    microsoft_authority: str = "https://login.microsoftonline.com/common"
    jwt_jwks_url: str | None = None
    microsoft_tenants: str | None = None
    jwt_audience: str | None = None
    jwt_issuer: str | None = None
    confirm_connections: bool = False
    log_source_ip: bool = True
    public_url: str | None = None
    domain_name: str | None = None
    certificate_arn: str | None = None
    api_limits: str | None = None
    cors_origins: Sequence[str] = ()
    reserved_concurrency: Mapping[str, int] = field(default_factory=dict)

    @property
    def metrics_service_dimension(self) -> str:
        """Return the value of the dimension `service` in all CloudWatch metrics of the stage."""
        return f"mailsync-{self.name}"

    @property
    def custom_domain_api_url(self) -> str | None:
        """Return the URL of the API at the operator's domain. Return None if the API has only the
        URL that AWS assigns."""
        return f"https://{self.domain_name}" if self.domain_name else self.public_url

    @property
    def warnings_about_risky_settings(self) -> tuple[str, ...]:
        """Return warnings about valid but risky settings; `make synth` prints them."""
        return tuple(f"Stage {self.name!r}: {each}." for each in _warnings(self))

    @classmethod
    def from_raw_stages(cls, name: str, stages: Mapping[str, Mapping[str, Any]]) -> "StageSettings":
        """Return the validated settings of the stage `name`.

        Raises:
            ValueError: the stage is not in `stages`, or its name or one of its settings is invalid.
        """
        _require_name_of_stack(name)
        if name not in stages:
            raise ValueError(
                f"Stage {name!r} is not in cdk.json; it has {sorted(stages)}. Add it there, or name"
                " the stage's file with SETTINGS=settings.json."
            )
        settings = _without_null(stages[name])
        if unknown := settings.keys() - ({each.name for each in fields(cls)} - {"name"}):
            raise ValueError(f"Stage {name!r} has unknown settings: {sorted(unknown)}.")
        if "app_inbox_url" not in settings:
            raise ValueError(f"Stage {name!r}: app_inbox_url is missing.")
        stage = cls(name=name, **settings)
        # Combinations are checked once each setting has its form.
        if found := list(find_format_violations(settings)) or list(_violations(stage)):
            raise ValueError("\n".join(f"Stage {name!r}: {each}." for each in found))
        return stage


def tcp_ports_by_provider_title(stage: StageSettings) -> Mapping[str, frozenset[int]]:
    """Return the TCP ports that functions must reach at each mail provider, by the provider's
    title. Providers for which the stage lacks a required setting are left out."""
    listed = (
        stage.imap_servers and ImapSettings({"IMAP_SERVERS": stage.imap_servers}).allowed_servers
    )
    return {
        each.display_name: listed.ports
        if listed and "IMAP_SERVERS" in each.required_setting_names
        else frozenset(each.tcp_ports_of_provider_servers)
        for each in implemented_providers()
        if all(getattr(stage, name.lower(), "") is not None for name in each.required_setting_names)
    }


def _warnings(stage: StageSettings) -> Iterator[str]:
    """Yield a sentence for each setting that is valid but risky."""
    if stage.jwt_jwks_url is not None and stage.jwt_audience == ANY_JWT_AUDIENCE:
        yield (
            f'jwt_audience is "{ANY_JWT_AUDIENCE}": the API accepts tokens that the issuer of'
            " jwt_jwks_url made for any of its clients"
        )
    if stage.log_level in ("WARN", "ERROR"):
        yield f"log_level {stage.log_level} drops the audit records of docs/security.md"


def _require_name_of_stack(stage: str) -> None:
    if not _STAGE_NAME.fullmatch(stage):
        raise ValueError(
            f"A stage cannot be named {stage!r}: a name has 1 to 80 letters, digits and hyphens,"
            " because it becomes a part of the names of the stacks."
        )


def _violations(stage: StageSettings) -> Iterator[str]:
    """Yield a sentence for each setting, or combination of settings, that is invalid."""
    nowhere = stage.reserved_concurrency.keys() - {each.name for each in FUNCTIONS}
    rules = (
        (stage.architecture in ARCHITECTURES, f"architecture must be one of {ARCHITECTURES}"),
        (stage.database in DATABASE_KINDS, f"database must be one of {DATABASE_KINDS}"),
        (
            _is_capacity(stage.aurora_min_acu, stage.aurora_max_acu),
            "aurora_min_acu and aurora_max_acu must be multiples of 0.5 from 0.5 to 256, the first"
            " not above the second",
        ),
        (
            not stage.aurora_zone_ids or _are_zones(stage.aurora_zone_ids),
            f"aurora_zone_ids must be the ids of at least {MIN_AZ_COUNT} availability zones of one"
            f" region, such as euw1-az1, without {sorted(AZS_WITHOUT_RDS_PROXY)}, which have no RDS"
            " Proxy",
        ),
        (stage.log_level in LOG_LEVELS, f"log_level must be one of {LOG_LEVELS}"),
        (
            not (stage.alarm_email and stage.alarm_topic_arn),
            "set alarm_email or alarm_topic_arn, not both",
        ),
        (
            stage.jwt_jwks_url is None or bool(_audiences(stage)),
            "jwt_jwks_url needs jwt_audience: the issuer signs the tokens of all its clients with"
            f' the same keys; "{ANY_JWT_AUDIENCE}" accepts the tokens of every client',
        ),
        (
            ANY_JWT_AUDIENCE not in _audiences(stage) or len(_audiences(stage)) == 1,
            f'jwt_audience must be "{ANY_JWT_AUDIENCE}" alone, or name audiences without it',
        ),
        (
            (stage.domain_name is None) is (stage.certificate_arn is None),
            "domain_name and certificate_arn need each other",
        ),
        (
            stage.domain_name is None or stage.public_url is None,
            "set domain_name or public_url, not both",
        ),
        (
            len({each is None for each in _push_settings(stage)}) == 1,
            "google_pubsub_topic, google_push_service_account and google_push_audience need each"
            " other",
        ),
        (not nowhere, f"reserved_concurrency names unknown functions: {sorted(nowhere)}"),
    )
    yield from (sentence for kept, sentence in rules if not kept)


def _push_settings(stage: StageSettings) -> tuple[str | None, ...]:
    """Return the settings of Gmail's notifications."""
    return (
        stage.google_pubsub_topic,
        stage.google_push_service_account,
        stage.google_push_audience,
    )


def _audiences(stage: StageSettings) -> list[str]:
    return [each.strip() for each in (stage.jwt_audience or "").split(",") if each.strip()]


def _are_zones(ids: Sequence[str]) -> bool:
    regions = {each.partition("-")[0] for each in ids if _ZONE_ID.fullmatch(each)}
    supported = set(ids) - AZS_WITHOUT_RDS_PROXY
    return len(regions) == 1 and len(ids) == len(supported) >= MIN_AZ_COUNT


def _is_capacity(least: float, most: float) -> bool:
    """Return whether both numbers are valid Aurora capacities.

    0 is invalid: Aurora would pause an idle database, but the schedules use the database every
    minute.
    """
    return 0.5 <= least <= most <= 256 and all(2 * each == int(2 * each) for each in (least, most))


def read_stage_part_of_settings_file(path: Path) -> Mapping[str, Any]:
    """Return the settings in the part `stage` of the file.

    If the file does not contain `single_secret`, this function adds the setting with the value
    False: the stage has only the separate secrets that `FIELD_NAMES_BY_SECRET` lists. Without the
    addition the setting would have the default of `StageSettings`, which is True.

    Raises:
        ValueError: see `read_settings_file`.
    """
    return {"single_secret": False, **_without_null(read_settings_file(path)["stage"])}


def read_settings_file(path: Path) -> Mapping[str, Any]:
    """Return the parts of the settings file by name: `stage` and perhaps `secrets`.

    Raises:
        ValueError: the file is missing, is not like settings.example.json, or contains a part, a
            setting or a field twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows begin a file with a BOM
        document = json.loads(text, object_pairs_hook=_object_without_duplicates)
    except FileNotFoundError:
        raise ValueError(
            f"There is no file {path}: copy settings.example.json and edit the copy."
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("stage"), dict):
        raise ValueError(f'{path} must be an object with the part "stage", as in the example.')
    if unknown := sorted(document.keys() - SETTINGS_FILE_TOP_LEVEL_KEYS):
        raise ValueError(
            f"{path} has unknown parts: {unknown}; it may have {SETTINGS_FILE_TOP_LEVEL_KEYS}."
        )
    return document


def _object_without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(each for each in names if names.count(each) > 1)
        raise ValueError(f"{twice} stands in it twice")
    return found


def _without_null(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose value is not null. The others get their default value later."""
    return {name: value for name, value in settings.items() if value is not None}
