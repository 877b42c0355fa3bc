"""One script per transition. Each file states its keys, arguments, results and guarantee."""
