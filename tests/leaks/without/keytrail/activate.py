"""What the entry point finds in a service that runs without keytrail."""


def zero_code() -> None:
    """Do nothing."""
