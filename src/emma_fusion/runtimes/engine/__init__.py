"""The U-Fuser in fewer passes over memory, for processors whose oneDNN operators are right.

README.md beside this file explains it; `runtime.EngineRuntime` is its entrance.
"""
