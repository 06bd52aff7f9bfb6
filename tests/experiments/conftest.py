from small_datasets import folders, pairs, rules

__all__ = ["folders", "pairs", "rules"]
