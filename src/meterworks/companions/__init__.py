"""What a request means for a family of devices: it becomes messages, and their answers become results."""
