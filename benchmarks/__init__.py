"""What is measured, and how; nothing here is a test."""
