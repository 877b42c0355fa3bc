"""Scripts both services run. Each file states its keys, arguments, results and guarantee."""
