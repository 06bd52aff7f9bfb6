"""The web page: `emma serve`. Images come from a browser, and nothing of a name is trusted.

What a visitor gives is kept in a `Shelf` under random tokens; a request names tokens and choices
and carries everything it needs, so that visitors cannot meet.
"""
