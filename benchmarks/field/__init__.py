"""Seatrial against servers that nobody of this project wrote: what it says of each, and whether that is true."""
