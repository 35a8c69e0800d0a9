"""Tests of `conformance.rows`."""
