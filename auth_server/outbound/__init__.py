"""What this server fetches from addresses that strangers name: documents of clients, and their keys."""
