"""A training or a measurement over many variants, and what it says."""
