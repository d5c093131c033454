"""Fixtures for all tests; each server's are in a module of its own."""

pytest_plugins = ["tests.servers.irc"]
