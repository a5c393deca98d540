"""Receive events that request a sync, and publish the product's own events, on the event bus."""
