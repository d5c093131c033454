"""Hostile input: every decoder against bytes that nobody well-meaning would send.

`targets.TARGETS` is the one table, of plain functions: bytes → nothing. A target decodes what it
is given and holds the decoder to its promises (nothing raised but what its docstring names, what
decodes comes round); `limits.held` adds the time and the memory. Three engines run it:

| engine | where |
|---|---|
| the findings of the past, in `corpus/<target>/` | `test_targets.py`, in `make test` |
| hypothesis, derandomised and short | `test_targets.py`, in `make test` |
| atheris, led by coverage, or hypothesis where it is not installed | `make fuzz MINUTES=n` |

A finding is mended in the program, made as small as it gets, and put into the corpus.
"""
