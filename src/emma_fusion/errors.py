"""The one exception for a user's mistake."""


class UserError(ValueError):
    """A mistake that the user can correct; its text says what is wrong and what to do.

    The command line prints the sentence and exits with code 2, without a traceback.
    """
