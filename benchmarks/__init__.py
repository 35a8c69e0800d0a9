"""What Seatrial costs and how true its figures are; each benchmark is one command."""
