"""The checks and mutants that a JSON Schema implies: a request's rows accepted or refused, an answer's rows kept."""
