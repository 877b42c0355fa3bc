"""What is kept: the contract in `base`, one implementation per folder."""
