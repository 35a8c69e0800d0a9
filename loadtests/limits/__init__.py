"""What limits an endpoint sets to requests and tokens: asked for in few requests, inferred from what came back."""
