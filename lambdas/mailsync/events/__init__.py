"""The event bus: requests that arrive on it, and events that the product publishes."""
