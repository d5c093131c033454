"""What each command does, composed of the parts below; `cli` reads the command line.

Nothing here prints or exits: a command shows things on the `Screen` it is given, and returns
its exit code or raises a `ChatbotError`.
"""
