"""The exception for everything that prevents the start of the local stack."""


class StartFailed(Exception):
    """The local stack could not start.

    The message is one sentence for the user: what is wrong, and the option that helps.
    """

    @classmethod
    def for_port_in_use(cls, port: int, option: str) -> "StartFailed":
        """Return the failure for a port that another program uses.

        option: the command-line option that sets this port, such as `--api-port`.
        """
        variable = option.strip("-").replace("-", "_").upper()
        return cls(f"Port {port} is in use: give another {option} (make dev {variable}=N).")


class DataFolderInUse(StartFailed):
    """Another stack uses the data folder. The caller may try another data folder."""
