"""`make chaos`: break one thing at a time under load, with real processes, and tell what clients saw."""
