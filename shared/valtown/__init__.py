"""Val Town's REST API: `client` (typed methods), `transport` (bounds, retries), `models`, `errors`."""
