"""Ways to run a network: other engines, and pictures larger than memory."""
