"""Two runs side by side: what differs, graded by requirement, and how that is shown."""
