"""A whole baseline of one machine: the layered vLLM judged, and measured against the plain one."""
