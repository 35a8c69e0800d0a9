"""Endpoints that mean harm, or are broken beyond what a contract foresees: each ends in a verdict."""
