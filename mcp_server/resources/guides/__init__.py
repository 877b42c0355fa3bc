"""Guides for models, in Markdown: how things are done on Val Town with the tools of this server."""
