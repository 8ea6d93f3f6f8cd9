"""What a user is told when something they can put right went wrong."""


class UserError(Exception):
    """One sentence for the person at the keyboard: what is wrong, where, and what to do next.

    Commands print the sentence without a traceback and exit with code 2.
    """
