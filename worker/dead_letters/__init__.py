"""The dead-letter queue: messages for it, and tools that read, replay and remove them."""
