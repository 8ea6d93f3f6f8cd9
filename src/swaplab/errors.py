"""The exception for mistakes that a user can correct."""


class UserError(Exception):
    """One sentence for the user: what is wrong, where, and what to do.

    Commands print it without a traceback and exit with code 2.
    """
