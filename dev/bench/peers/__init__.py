"""What we are held against. Each runs in an environment of its own, so it imports nothing of this project."""
