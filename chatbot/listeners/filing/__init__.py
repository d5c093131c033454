"""Listeners that do what a flow wants outside of chat: entries in a tracker, and webhooks.

They hear nothing. What they are given is what stands of an outcome, so that each order is carried
out once, whoever decided it and however often; what came of it is answered where it was said.
"""

from chatbot.listeners.filing.github import GithubListener
from chatbot.listeners.filing.webhook import WebhookListener

__all__ = ["GithubListener", "WebhookListener"]
