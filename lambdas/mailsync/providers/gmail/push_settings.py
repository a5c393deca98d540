"""Read the settings of Gmail's notifications."""

from mailsync.settings import SettingsSection


class GmailPushSettings(SettingsSection):
    """The Pub/Sub topic that Gmail publishes to, and how the topic's pushes authenticate."""

    @property
    def is_configured(self) -> bool:
        """Return whether the stage has all three settings."""
        names = ("GOOGLE_PUBSUB_TOPIC", "GOOGLE_PUSH_SERVICE_ACCOUNT", "GOOGLE_PUSH_AUDIENCE")
        return all(self._values.get(each, "").strip() for each in names)

    @property
    def pubsub_topic_name(self) -> str:
        """Return the topic's full name, projects/PROJECT/topics/TOPIC."""
        return self._required("GOOGLE_PUBSUB_TOPIC")

    @property
    def service_account(self) -> str:
        """Return the e-mail address of the service account in the tokens of pushes."""
        return self._required("GOOGLE_PUSH_SERVICE_ACCOUNT")

    @property
    def token_audience(self) -> str:
        """Return the claim `aud` of the tokens of pushes."""
        return self._required("GOOGLE_PUSH_AUDIENCE")
