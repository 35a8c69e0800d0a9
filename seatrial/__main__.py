"""`python -m seatrial`, for where the script is not on the path."""

from __future__ import annotations

from seatrial.cli.main import main

if __name__ == "__main__":
    main()
