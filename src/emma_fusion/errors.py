"""The one exception for a user's mistake."""


class UserError(ValueError):
    """Something the user can mend; its text is a sentence that says what and how.

    The command line prints the sentence and exits with code 2, without a traceback.
    """
