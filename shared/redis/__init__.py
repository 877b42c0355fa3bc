"""The store's connection and its scripts; what is kept where is told in docs/architecture.md."""
