"""One file per way to sign in. Each proves that a person has a Val Town account."""
