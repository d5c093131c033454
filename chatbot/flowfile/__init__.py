"""Flow files: YAML → checked flow → DFFML DataFlow, with positions for errors.

`load.load` is the way in; it gives a `flow.Flow` or raises with `problems.Problem`s.
"""
