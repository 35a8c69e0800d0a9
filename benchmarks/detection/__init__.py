"""What Seatrial and its peers catch of the same faults, on the same server, in one go."""
