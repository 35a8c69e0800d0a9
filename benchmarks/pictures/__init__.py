"""Pictures of the web page and of a load report for the README: `python -m benchmarks.pictures`."""
