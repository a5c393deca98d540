"""The event bus: what others ask of us there, and what we tell them."""
