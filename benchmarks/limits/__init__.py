"""How well the search for limits finds what is known: kinds, sizes, windows, traps."""
