"""Nodes: they pull work, run operations, and send back what they gave.

node (what it offers, follows the flows) → worker (one operation: pull, batch, publish) →
networks (DFFML's interfaces on a node); roster is who is there, as nodes announce and
primaries and people read it.
"""
