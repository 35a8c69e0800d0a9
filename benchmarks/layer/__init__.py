"""What the contract layer costs: alone on an app that answers at once, and on two servers of the same model."""
