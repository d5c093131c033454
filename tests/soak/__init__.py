"""Processes of all kinds are killed, frozen, ended, joined by others, while a real log is replayed.

What happens is drawn by a seed; at the end an auditor reads what went in and what came out.
"""
