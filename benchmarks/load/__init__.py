"""How far the latencies that `loadtests` reports are from the truth."""
