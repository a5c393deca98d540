"""Share what all simulated identity platforms do: sign-in page, consents, codes, signed tokens."""
