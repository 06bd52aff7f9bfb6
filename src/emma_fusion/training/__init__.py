"""How the networks are learned: teachers, stage 1 (sensing), stage 2 (fusion)."""
