"""One file per grant type. To add one: a class like those here, and its line in `app.build_grants`."""
