"""The event bus: events that request a sync, and events that the product publishes."""
