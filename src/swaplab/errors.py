"""The exception for mistakes that a user can correct."""


class UserError(Exception):
    """One sentence for the user: what is wrong, where, and what to do.

    Commands print it without a traceback and exit with code 2.
    """


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
