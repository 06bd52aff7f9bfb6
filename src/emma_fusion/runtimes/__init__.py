"""Ways to run a network: other engines, and images larger than memory."""
