"""What an operator does at the terminal, beside serving: one file for each group of commands."""
